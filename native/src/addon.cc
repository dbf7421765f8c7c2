// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>
#include <napi.h>

#include "handle.h"
#include "modules.h"

namespace libbpf_ts {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* data = new AddonData;
  data->handle = Napi::Persistent(Handle::Define(env));
  env.SetInstanceData(data);
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  DefineMap(env, exports);
  DefineObject(env, exports);
  DefineProgram(env, exports);
  DefineLink(env, exports);
  DefinePoll(env, exports);
  DefineRingBuffer(env, exports);
  DefineSocket(env, exports);
  DefineSystem(env, exports);
  return exports;
}

NODE_API_MODULE(libbpf_ts, Init)

}  // namespace libbpf_ts
