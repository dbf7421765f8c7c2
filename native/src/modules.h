// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace libbpf_ts {

void DefineMap(Napi::Env env, Napi::Object exports);
void DefineObject(Napi::Env env, Napi::Object exports);
void DefineProgram(Napi::Env env, Napi::Object exports);
void DefineLink(Napi::Env env, Napi::Object exports);
void DefinePoll(Napi::Env env, Napi::Object exports);
void DefineRingBuffer(Napi::Env env, Napi::Object exports);
void DefineSocket(Napi::Env env, Napi::Object exports);
void DefineSystem(Napi::Env env, Napi::Object exports);

template <auto Function>
void Export(Napi::Env env, Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Function>(env, name));
}

}  // namespace libbpf_ts
