// SPDX-License-Identifier: Apache-2.0
// Calls back on the event loop while a descriptor is readable.
#include <fcntl.h>
#include <uv.h>

#include <memory>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

namespace libbpf_ts {
namespace {

// Lives until libuv has let go of its handle, which may be after the JavaScript object or before it.
struct Watch {
  napi_env env = nullptr;
  napi_ref callback = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  UniqueFd fd;
  uv_poll_t poll = {};
  bool closing = false;
  std::shared_ptr<Watch> self;
};

uv_handle_t* AsHandle(Watch& watch) { return reinterpret_cast<uv_handle_t*>(&watch.poll); }

void Closed(uv_handle_t* handle) {
  auto* watch = static_cast<Watch*>(handle->data);
  if (watch->hook != nullptr) napi_remove_async_cleanup_hook(watch->hook);
  watch->self.reset();
}

void Stop(Watch& watch) {
  if (std::exchange(watch.closing, true)) return;
  napi_delete_reference(watch.env, watch.callback);
  uv_close(AsHandle(watch), Closed);
}

void StopAtExit(napi_async_cleanup_hook_handle, void* data) { Stop(*static_cast<Watch*>(data)); }

// The raw interface: node-addon-api's wrapper aborts where a callback throws null or undefined.
void Readable(uv_poll_t* poll, int, int) {
  auto* watch = static_cast<Watch*>(poll->data);
  napi_env env = watch->env;
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback = nullptr;
  napi_value receiver = nullptr;
  napi_get_reference_value(env, watch->callback, &callback);
  napi_get_global(env, &receiver);
  napi_make_callback(env, nullptr, receiver, callback, 0, nullptr, nullptr);
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown) {
    napi_value exception = nullptr;
    napi_get_and_clear_last_exception(env, &exception);
    napi_fatal_exception(env, exception);
  }
  napi_close_handle_scope(env, scope);
}

class Poll : public Napi::ObjectWrap<Poll> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Poll",
                       {InstanceMethod<&Poll::Close>("close"), InstanceMethod<&Poll::Ref>("ref"),
                        InstanceMethod<&Poll::Unref>("unref")});
  }

  // (descriptor, callback). The descriptor is duplicated, so the caller's may be closed first.
  explicit Poll(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Poll>(info) {
    const int original = IntegerArgument<int32_t>(info, 0);
    if (!info[1].IsFunction()) Refuse(info, 1, "a function");
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(info.Env(), &loop);
    auto watch = std::make_shared<Watch>();
    watch->fd = UniqueFd(fcntl(original, F_DUPFD_CLOEXEC, 3));
    watch->env = info.Env();
    watch->poll.data = watch.get();
    if (watch->fd.get() < 0 || uv_poll_init(loop, &watch->poll, watch->fd.get()) != 0) {
      Refuse(info, 0, "an open descriptor that can be polled");
    }
    watch->self = watch;
    napi_create_reference(info.Env(), info[1], 1, &watch->callback);
    napi_add_async_cleanup_hook(info.Env(), StopAtExit, watch.get(), &watch->hook);
    uv_poll_start(&watch->poll, UV_READABLE, Readable);
    watch_ = std::move(watch);
  }

  ~Poll() {
    if (watch_) Stop(*watch_);
  }

 private:
  void Close(const Napi::CallbackInfo&) {
    if (watch_) Stop(*watch_);
  }
  void Ref(const Napi::CallbackInfo&) {
    if (!watch_->closing) uv_ref(AsHandle(*watch_));
  }
  void Unref(const Napi::CallbackInfo&) {
    if (!watch_->closing) uv_unref(AsHandle(*watch_));
  }

  std::shared_ptr<Watch> watch_;
};

}  // namespace

void DefinePoll(Napi::Env env, Napi::Object exports) { exports.Set("Poll", Poll::Define(env)); }

}  // namespace libbpf_ts
