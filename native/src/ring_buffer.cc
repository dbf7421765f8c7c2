// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>

#include <memory>
#include <vector>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

namespace libbpf_ts {
namespace {

// One turn of the event loop takes no more; what is left makes the descriptor readable again.
constexpr size_t kRecordsPerTurn = 512;

struct RingBufferDeleter {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

class RingBuffer : public Napi::ObjectWrap<RingBuffer> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "RingBuffer",
                       {InstanceMethod<&RingBuffer::Take>("take"),
                        InstanceMethod<&RingBuffer::Close>("close"),
                        InstanceAccessor<&RingBuffer::Descriptor>("fd")});
  }

  explicit RingBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingBuffer>(info) {
    const int map = Handle::Argument(info, 0, Kind::kMap).fd();
    ring_.reset(ring_buffer__new(map, Append, this, nullptr));
    if (!ring_) error_ = -errno;
  }

 private:
  static int Append(void* self, void* data, size_t size) {
    auto& records = static_cast<RingBuffer*>(self)->records_;
    const auto* bytes = static_cast<const uint8_t*>(data);
    records.emplace_back(bytes, bytes + size);
    return records.size() < kRecordsPerTurn ? 0 : -EAGAIN;
  }

  // Copies of the records that wait, oldest first. The kernel has them off its buffer before
  // JavaScript sees any, so a callback that throws loses none.
  Napi::Value Take(const Napi::CallbackInfo& info) {
    auto result = Napi::Array::New(info.Env());
    if (!ring_) return result;
    records_.clear();
    const int error = ring_buffer__consume(ring_.get());
    if (error < 0 && error != -EAGAIN) return Number(info, error);
    for (const auto& record : records_) {
      result.Set(result.Length(), CopyBytes(info.Env(), record.data(), record.size()));
    }
    records_.clear();
    return result;
  }

  void Close(const Napi::CallbackInfo&) { ring_.reset(); }

  // -errno where the map is no ring buffer, -EBADF once closed.
  Napi::Value Descriptor(const Napi::CallbackInfo& info) {
    if (!ring_) return Number(info, error_);
    return Number(info, ring_buffer__epoll_fd(ring_.get()));
  }

  std::unique_ptr<ring_buffer, RingBufferDeleter> ring_;
  std::vector<std::vector<uint8_t>> records_;
  int error_ = -EBADF;
};

}  // namespace

void DefineRingBuffer(Napi::Env env, Napi::Object exports) {
  exports.Set("RingBuffer", RingBuffer::Define(env));
}

}  // namespace libbpf_ts
