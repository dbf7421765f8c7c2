// SPDX-License-Identifier: Apache-2.0
// Unpacks and checks what JavaScript passed. Every refusal is a TypeError with a code.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace libbpf_ts {

[[noreturn]] inline void Refuse(const Napi::CallbackInfo& info, size_t index, const char* wanted) {
  auto error = Napi::TypeError::New(
      info.Env(), "argument " + std::to_string(index) + " must be " + wanted);
  error.Set("code", "ERR_INVALID_ARG_VALUE");
  throw error;
}

inline bool Absent(const Napi::CallbackInfo& info, size_t index) {
  return info[index].IsUndefined();
}

template <typename T>
T IntegerArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsNumber()) Refuse(info, index, "a number");
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (std::trunc(value) != value || value < static_cast<double>(std::numeric_limits<T>::min()) ||
      value > static_cast<double>(std::numeric_limits<T>::max())) {
    Refuse(info, index, "an integer in range");
  }
  return static_cast<T>(value);
}

inline uint32_t U32Argument(const Napi::CallbackInfo& info, size_t index) {
  return IntegerArgument<uint32_t>(info, index);
}

inline bool BooleanArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsBoolean()) Refuse(info, index, "a boolean");
  return info[index].As<Napi::Boolean>().Value();
}

inline std::string StringArgument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) Refuse(info, index, "a string");
  auto text = info[index].As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos) Refuse(info, index, "a string without NUL");
  return text;
}

inline std::optional<std::string> OptionalString(const Napi::CallbackInfo& info, size_t index) {
  if (Absent(info, index)) return std::nullopt;
  return StringArgument(info, index);
}

// A view that is valid until control returns to JavaScript. One raw call: this is the hot path.
inline std::span<uint8_t> BytesArgument(const Napi::CallbackInfo& info, size_t index,
                                        size_t minimum = 0) {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(info.Env(), info[index], &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_uint8_array) {
    Refuse(info, index, "a Uint8Array");
  }
  if (length < minimum) Refuse(info, index, "long enough");
  return {static_cast<uint8_t*>(data), length};
}

inline std::span<uint8_t> OptionalBytes(const Napi::CallbackInfo& info, size_t index) {
  if (Absent(info, index)) return {};
  return BytesArgument(info, index);
}

// Of a system call that reports through errno: its result, or -errno.
template <typename T>
T OrErrno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

inline Napi::Value Number(const Napi::CallbackInfo& info, double value) {
  return Napi::Number::New(info.Env(), value);
}

inline Napi::Uint8Array CopyBytes(Napi::Env env, const void* data, size_t size) {
  auto bytes = Napi::Uint8Array::New(env, size);
  if (size != 0) memcpy(bytes.Data(), data, size);
  return bytes;
}

}  // namespace libbpf_ts
