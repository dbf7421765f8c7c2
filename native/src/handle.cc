// SPDX-License-Identifier: Apache-2.0
#include "handle.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "arguments.h"

namespace libbpf_ts {
namespace {

struct Seed {
  Kind kind;
  UniqueFd fd;
  MapShape shape;
};

// The kernel has no call that tells maps, programs and links apart; procfs names them.
bool IsOfKind(Kind kind, int fd) {
  if (kind == Kind::kSocket || kind == Kind::kFile) return true;
  char name[64] = {};
  const auto path = "/proc/self/fd/" + std::to_string(fd);
  if (readlink(path.c_str(), name, sizeof(name) - 1) < 0) return false;
  const std::string text(name);
  if (kind == Kind::kMap) return text == "anon_inode:bpf-map";
  if (kind == Kind::kProgram) return text == "anon_inode:bpf-prog";
  return text == "anon_inode:bpf_link" || text == "anon_inode:bpf-link";
}

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

}  // namespace

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Napi::Function Handle::Define(Napi::Env env) {
  return DefineClass(env, "Handle",
                     {InstanceMethod<&Handle::Close>("close"),
                      InstanceAccessor<&Handle::Number>("fd")});
}

int Handle::Measure(Kind kind, int fd, MapShape& shape) {
  if (!IsOfKind(kind, fd)) return -EINVAL;
  if (kind != Kind::kMap) return 0;
  bpf_map_info map = {};
  if (const int error = InfoByFd(fd, map); error != 0) return error;
  shape.key_size = map.key_size;
  shape.value_size = map.value_size;
  if (IsPerCpu(map.type)) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) return cpus;
    shape.value_size = (static_cast<size_t>(map.value_size) + 7) / 8 * 8 * cpus;
  }
  return 0;
}

Napi::Value Handle::Take(Napi::Env env, Kind kind, int fd) {
  if (fd < 0) return Napi::Number::New(env, fd);
  Seed seed{kind, UniqueFd(fd), {}};
  if (const int error = Measure(kind, fd, seed.shape); error != 0) {
    return Napi::Number::New(env, error);
  }
  return env.GetInstanceData<AddonData>()->handle.New({Napi::External<Seed>::New(env, &seed)});
}

Napi::Value Handle::Duplicate(Napi::Env env, Kind kind, int fd) {
  return Take(env, kind, OrErrno(fcntl(fd, F_DUPFD_CLOEXEC, 3)));
}

Handle::Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Handle>(info) {
  if (!info[0].IsExternal()) Refuse(info, 0, "made by this library");
  auto* seed = info[0].As<Napi::External<Seed>>().Data();
  kind_ = seed->kind;
  fd_ = std::move(seed->fd);
  shape_ = seed->shape;
  live_ = info.Env().GetInstanceData<AddonData>()->live_handles;
  live_->insert(this);
}

Handle::~Handle() {
  if (live_) live_->erase(this);
}

Handle& Handle::Argument(const Napi::CallbackInfo& info, size_t index, Kind kind) {
  void* unwrapped = nullptr;
  napi_unwrap(info.Env(), info[index], &unwrapped);
  if (!info.Env().GetInstanceData<AddonData>()->live_handles->contains(unwrapped)) {
    Refuse(info, index, "a handle");
  }
  auto* handle = static_cast<Handle*>(unwrapped);
  if (handle->kind_ != kind) Refuse(info, index, "a handle of the right kind");
  return *handle;
}

void Handle::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

Napi::Value Handle::Number(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), fd());
}

}  // namespace libbpf_ts
