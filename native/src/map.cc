// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

namespace libbpf_ts {
namespace {

Handle& Map(const Napi::CallbackInfo& info) { return Handle::Argument(info, 0, Kind::kMap); }

// Maps without keys (queues, stacks) want a null pointer.
void* Key(const Napi::CallbackInfo& info, size_t index, const Handle& map) {
  if (map.shape().key_size == 0) return nullptr;
  return BytesArgument(info, index, map.shape().key_size).data();
}

void* Value(const Napi::CallbackInfo& info, size_t index, const Handle& map) {
  return BytesArgument(info, index, map.shape().value_size).data();
}

Napi::Value Create(const Napi::CallbackInfo& info) {
  const auto type = U32Argument(info, 0);
  const auto name = StringArgument(info, 1);
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = U32Argument(info, 5));
  if (!Absent(info, 6)) options.inner_map_fd = Handle::Argument(info, 6, Kind::kMap).fd();
  const int fd = bpf_map_create(static_cast<bpf_map_type>(type), name.c_str(),
                                U32Argument(info, 2), U32Argument(info, 3), U32Argument(info, 4),
                                &options);
  return Handle::Take(info.Env(), Kind::kMap, fd);
}

Napi::Value Info(const Napi::CallbackInfo& info) {
  bpf_map_info map = {};
  const int error = InfoByFd(Map(info).fd(), map);
  if (error != 0) return Number(info, error);
  auto result = Napi::Object::New(info.Env());
  result.Set("id", map.id);
  result.Set("type", map.type);
  result.Set("name", std::string(map.name, strnlen(map.name, sizeof(map.name))));
  result.Set("keySize", map.key_size);
  result.Set("valueSize", map.value_size);
  result.Set("maxEntries", map.max_entries);
  result.Set("flags", map.map_flags);
  return result;
}

Napi::Value Lookup(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  return Number(info, bpf_map_lookup_elem(map.fd(), Key(info, 1, map), Value(info, 2, map)));
}

Napi::Value Update(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  return Number(info, bpf_map_update_elem(map.fd(), Key(info, 1, map), Value(info, 2, map),
                                          U32Argument(info, 3)));
}

Napi::Value Delete(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  return Number(info, bpf_map_delete_elem(map.fd(), Key(info, 1, map)));
}

Napi::Value LookupAndDelete(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  return Number(info,
                bpf_map_lookup_and_delete_elem(map.fd(), Key(info, 1, map), Value(info, 2, map)));
}

Napi::Value NextKey(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  const void* key = Absent(info, 1) ? nullptr : Key(info, 1, map);
  return Number(info, bpf_map_get_next_key(map.fd(), key, Key(info, 2, map)));
}

// The in-out count of the batch calls, as a Uint32Array of one element.
uint32_t& Count(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsTypedArray() ||
      info[index].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array ||
      info[index].As<Napi::Uint32Array>().ElementLength() < 1) {
    Refuse(info, index, "a Uint32Array of one element");
  }
  return *info[index].As<Napi::Uint32Array>().Data();
}

uint8_t* Keys(const Napi::CallbackInfo& info, size_t index, const Handle& map, uint32_t count) {
  return BytesArgument(info, index, static_cast<size_t>(count) * map.shape().key_size).data();
}

uint8_t* Values(const Napi::CallbackInfo& info, size_t index, const Handle& map, uint32_t count) {
  return BytesArgument(info, index, count * map.shape().value_size).data();
}

// (map, position or undefined, next position, keys, values, count). A position is opaque and as
// long as the longer of a key and 4 bytes: a bucket number in hashes, a key elsewhere.
Napi::Value LookupBatch(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  const size_t position_size = std::max<size_t>(4, map.shape().key_size);
  auto* position = Absent(info, 1) ? nullptr : BytesArgument(info, 1, position_size).data();
  auto* next = BytesArgument(info, 2, position_size).data();
  uint32_t count = Count(info, 5);
  const int error = bpf_map_lookup_batch(map.fd(), position, next, Keys(info, 3, map, count),
                                         Values(info, 4, map, count), &count, nullptr);
  Count(info, 5) = count;
  return Number(info, error);
}

Napi::Value UpdateBatch(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  uint32_t count = Count(info, 3);
  LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = U32Argument(info, 4));
  const int error = bpf_map_update_batch(map.fd(), Keys(info, 1, map, count),
                                         Values(info, 2, map, count), &count, &options);
  Count(info, 3) = count;
  return Number(info, error);
}

Napi::Value DeleteBatch(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  uint32_t count = Count(info, 2);
  const int error =
      bpf_map_delete_batch(map.fd(), Keys(info, 1, map, count), &count, nullptr);
  Count(info, 2) = count;
  return Number(info, error);
}

Napi::Value Freeze(const Napi::CallbackInfo& info) {
  return Number(info, bpf_map_freeze(Map(info).fd()));
}

// Never read-only: a store to such a mapping would be a fault, not an error.
Napi::Value Mmap(const Napi::CallbackInfo& info) {
  auto& map = Map(info);
  bpf_map_info shape = {};
  if (const int error = InfoByFd(map.fd(), shape); error != 0) return Number(info, error);
  const size_t stride = (static_cast<size_t>(shape.value_size) + 7) / 8 * 8;
  const size_t size = stride * shape.max_entries;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0);
  if (memory == MAP_FAILED) return Number(info, -errno);
  return Napi::ArrayBuffer::New(info.Env(), memory, size,
                                [size](Napi::Env, void* data) { munmap(data, size); });
}

Napi::Value PossibleCpus(const Napi::CallbackInfo& info) {
  return Number(info, libbpf_num_possible_cpus());
}

}  // namespace

void DefineMap(Napi::Env env, Napi::Object exports) {
  Export<Create>(env, exports, "mapCreate");
  Export<Info>(env, exports, "mapInfo");
  Export<Lookup>(env, exports, "mapLookup");
  Export<Update>(env, exports, "mapUpdate");
  Export<Delete>(env, exports, "mapDelete");
  Export<LookupAndDelete>(env, exports, "mapLookupAndDelete");
  Export<NextKey>(env, exports, "mapNextKey");
  Export<LookupBatch>(env, exports, "mapLookupBatch");
  Export<UpdateBatch>(env, exports, "mapUpdateBatch");
  Export<DeleteBatch>(env, exports, "mapDeleteBatch");
  Export<Freeze>(env, exports, "mapFreeze");
  Export<Mmap>(env, exports, "mapMmap");
  Export<PossibleCpus>(env, exports, "possibleCpus");
}

}  // namespace libbpf_ts
