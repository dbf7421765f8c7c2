// SPDX-License-Identifier: Apache-2.0
// One file descriptor that JavaScript owns: closed by close(), by the collector, or with the thread.
#pragma once

#include <bpf/bpf.h>
#include <napi.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <unordered_set>
#include <utility>

namespace libbpf_ts {

class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_;
};

// This one call says EBADFD of a closed descriptor where all others say EBADF.
template <typename Info>
int InfoByFd(int fd, Info& info) {
  uint32_t length = sizeof(info);
  const int error = bpf_obj_get_info_by_fd(fd, &info, &length);
  return error == -EBADFD ? -EBADF : error;
}

enum class Kind : uint32_t { kMap, kProgram, kLink, kSocket, kFile };

// What a map's buffers must measure. Value size as system calls see it: per-CPU values hold one
// value per possible CPU, each rounded up to 8 bytes.
struct MapShape {
  uint32_t key_size = 0;
  size_t value_size = 0;
};

class Handle : public Napi::ObjectWrap<Handle> {
 public:
  static Napi::Function Define(Napi::Env env);
  // Takes ownership. A negative fd is -errno and comes back as that number; so does a descriptor
  // that is not of this kind, as -EINVAL.
  static Napi::Value Take(Napi::Env env, Kind kind, int fd);
  static Napi::Value Duplicate(Napi::Env env, Kind kind, int fd);
  // Throws a TypeError for anything but a handle of this kind. A closed one has fd() -1, which
  // every system call answers with EBADF.
  static Handle& Argument(const Napi::CallbackInfo& info, size_t index, Kind kind);

  explicit Handle(const Napi::CallbackInfo& info);
  ~Handle();
  int fd() const { return fd_.get(); }
  const MapShape& shape() const { return shape_; }

 private:
  static int Measure(Kind kind, int fd, MapShape& shape);
  void Close(const Napi::CallbackInfo& info);
  Napi::Value Number(const Napi::CallbackInfo& info);

  std::shared_ptr<std::unordered_set<const void*>> live_;
  Kind kind_ = Kind::kFile;
  UniqueFd fd_;
  MapShape shape_;
};

// Per environment: the classes, which JavaScript cannot construct itself.
struct AddonData {
  // What is unwrapped is a handle if it is one of these, whatever its prototype says. Cheaper than
  // a type tag on the path of every call. The handles share it: they may be finalized last.
  std::shared_ptr<std::unordered_set<const void*>> live_handles =
      std::make_shared<std::unordered_set<const void*>>();
  Napi::FunctionReference handle;
  Napi::FunctionReference object;
};

}  // namespace libbpf_ts
