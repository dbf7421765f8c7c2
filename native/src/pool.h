// SPDX-License-Identifier: Apache-2.0
// One call that waits, on libuv's thread pool.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "arguments.h"

namespace libbpf_ts {

struct PoolCall {
  // On the pool; gives a result or -errno.
  std::function<long()> run;
  // Back on the thread: what the promise resolves to.
  std::function<Napi::Value(Napi::Env, long)> settle;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  long result = 0;
};

inline void RunPoolCall(napi_env, void* data) {
  auto* call = static_cast<PoolCall*>(data);
  call->result = call->run();
}

// The raw interface: in a thread that is ending nothing resolves any more, and that is no error.
inline void SettlePoolCall(napi_env env, napi_status, void* data) {
  const std::unique_ptr<PoolCall> call(static_cast<PoolCall*>(data));
  try {
    napi_resolve_deferred(env, call->deferred, call->settle(env, call->result));
  } catch (const Napi::Error&) {
  }
  napi_delete_async_work(env, call->work);
}

// A promise, or -ENOMEM.
inline Napi::Value CallOnPool(const Napi::CallbackInfo& info, const char* name,
                              std::function<long()> run,
                              std::function<Napi::Value(Napi::Env, long)> settle) {
  auto env = info.Env();
  auto call = std::make_unique<PoolCall>();
  call->run = std::move(run);
  call->settle = std::move(settle);
  napi_value promise = nullptr;
  const Napi::Value resource = Napi::String::New(env, name);
  if (napi_create_promise(env, &call->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, resource, RunPoolCall, SettlePoolCall, call.get(),
                             &call->work) != napi_ok ||
      napi_queue_async_work(env, call->work) != napi_ok) {
    return Number(info, -ENOMEM);
  }
  call.release();
  return Napi::Value(env, promise);
}

inline Napi::Value SettleNumber(Napi::Env env, long result) {
  return Napi::Number::New(env, static_cast<double>(result));
}

}  // namespace libbpf_ts
