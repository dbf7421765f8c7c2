// SPDX-License-Identifier: Apache-2.0
// A BPF object between open and load. What it loads lives on in handles of its own.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

namespace libbpf_ts {
namespace {

constexpr napi_type_tag kObjectTag = {0x6c6962627066ull, 0x6f626a656374ull};
constexpr size_t kMessageLimit = 64 * 1024;
// The most that kernels up to 6.1 accept (BPF_LOG_MAX of 5.10).
constexpr size_t kLogSize = (16 << 20) - 1;

// What libbpf has to say about a failure, instead of on stderr.
thread_local std::string* messages = nullptr;

int Collect(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG || messages == nullptr || messages->size() > kMessageLimit) return 0;
  char line[1024];
  const int length = vsnprintf(line, sizeof(line), format, arguments);
  if (length > 0) messages->append(line);
  return 0;
}

class MessageScope {
 public:
  explicit MessageScope(std::string& into) { messages = &into; }
  ~MessageScope() { messages = nullptr; }
};

// Address space for a verifier log; pages that the kernel does not write cost nothing.
class LogBuffer {
 public:
  LogBuffer() {
    void* memory = mmap(nullptr, kLogSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    data_ = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
  }
  LogBuffer(LogBuffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  ~LogBuffer() {
    if (data_ != nullptr) munmap(data_, kLogSize);
  }
  char* data() const { return data_; }

 private:
  char* data_;
};

struct ObjectDeleter {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

Napi::Object Failure(Napi::Env env, int error, const std::string& log) {
  auto failure = Napi::Object::New(env);
  failure.Set("error", error);
  failure.Set("messages", log);
  return failure;
}

class Object : public Napi::ObjectWrap<Object> {
 public:
  static Napi::Function Define(Napi::Env env) { return DefineClass(env, "Object", {}); }

  explicit Object(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Object>(info) {
    if (!info[0].IsExternal()) Refuse(info, 0, "made by this library");
    object_.reset(info[0].As<Napi::External<bpf_object>>().Data());
    info.This().As<Napi::Object>().TypeTag(&kObjectTag);
  }

  static Object& Argument(const Napi::CallbackInfo& info) {
    if (!info[0].IsObject()) Refuse(info, 0, "an object");
    auto object = info[0].As<Napi::Object>();
    if (!object.CheckTypeTag(&kObjectTag)) Refuse(info, 0, "an object");
    return *Unwrap(object);
  }

  // Null once closed.
  bpf_object* get() const { return object_.get(); }
  void Close() { object_.reset(); }

 private:
  std::unique_ptr<bpf_object, ObjectDeleter> object_;
};

Napi::Value Open(const Napi::CallbackInfo& info) {
  const auto view = BytesArgument(info, 0);
  const auto name = StringArgument(info, 1);
  const auto btf_path = OptionalString(info, 2);
  const std::vector<uint8_t> bytes(view.begin(), view.end());
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name.c_str(),
              .btf_custom_path = btf_path ? btf_path->c_str() : nullptr);
  std::string log;
  MessageScope scope(log);
  bpf_object* object = bpf_object__open_mem(bytes.data(), bytes.size(), &options);
  if (object == nullptr) return Failure(info.Env(), -errno, log);
  return info.Env().GetInstanceData<AddonData>()->object.New(
      {Napi::External<bpf_object>::New(info.Env(), object)});
}

Napi::Object DescribeMap(Napi::Env env, const bpf_map* map) {
  auto spec = Napi::Object::New(env);
  spec.Set("name", bpf_map__name(map));
  spec.Set("internal", bpf_map__is_internal(map));
  spec.Set("type", static_cast<uint32_t>(bpf_map__type(map)));
  spec.Set("keySize", bpf_map__key_size(map));
  spec.Set("valueSize", bpf_map__value_size(map));
  spec.Set("maxEntries", bpf_map__max_entries(map));
  spec.Set("flags", bpf_map__map_flags(map));
  spec.Set("keyType", bpf_map__btf_key_type_id(map));
  spec.Set("valueType", bpf_map__btf_value_type_id(map));
  return spec;
}

Napi::Object DescribeProgram(Napi::Env env, const bpf_program* program) {
  auto spec = Napi::Object::New(env);
  spec.Set("name", bpf_program__name(program));
  spec.Set("section", bpf_program__section_name(program));
  spec.Set("type", static_cast<uint32_t>(bpf_program__type(program)));
  spec.Set("attachType", static_cast<uint32_t>(bpf_program__expected_attach_type(program)));
  spec.Set("autoload", bpf_program__autoload(program));
  spec.Set("instructions", static_cast<double>(bpf_program__insn_cnt(program)));
  return spec;
}

Napi::Value Describe(const Napi::CallbackInfo& info) {
  auto* object = Object::Argument(info).get();
  if (object == nullptr) return Number(info, -EBADF);
  auto env = info.Env();
  auto maps = Napi::Array::New(env);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) maps.Set(maps.Length(), DescribeMap(env, map));
  auto programs = Napi::Array::New(env);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    programs.Set(programs.Length(), DescribeProgram(env, program));
  }
  auto result = Napi::Object::New(env);
  result.Set("maps", maps);
  result.Set("programs", programs);
  if (const btf* types = bpf_object__btf(object); types != nullptr) {
    uint32_t size = 0;
    const void* data = btf__raw_data(types, &size);
    if (data != nullptr) result.Set("btf", CopyBytes(env, data, size));
  }
  return result;
}

// Maps by their place in the description: libbpf gives a reused map the name of the other.
template <typename Change>
Napi::Value ChangeMap(const Napi::CallbackInfo& info, Change change) {
  auto* object = Object::Argument(info).get();
  auto index = U32Argument(info, 1);
  if (object == nullptr) return Number(info, -EBADF);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (index-- == 0) return change(map);
  }
  return Number(info, -ENOENT);
}

template <typename Change>
Napi::Value ChangeProgram(const Napi::CallbackInfo& info, Change change) {
  auto* object = Object::Argument(info).get();
  const auto name = StringArgument(info, 1);
  if (object == nullptr) return Number(info, -EBADF);
  bpf_program* program = bpf_object__find_program_by_name(object, name.c_str());
  return Number(info, program == nullptr ? -ENOENT : change(program));
}

Napi::Value SetMaxEntries(const Napi::CallbackInfo& info) {
  const auto count = U32Argument(info, 2);
  return ChangeMap(info,
                   [&](auto* map) { return Number(info, bpf_map__set_max_entries(map, count)); });
}

Napi::Value SetAutocreate(const Napi::CallbackInfo& info) {
  const bool on = BooleanArgument(info, 2);
  return ChangeMap(info, [&](auto* map) { return Number(info, bpf_map__set_autocreate(map, on)); });
}

Napi::Value ReuseMap(const Napi::CallbackInfo& info) {
  const int fd = Handle::Argument(info, 2, Kind::kMap).fd();
  return ChangeMap(info, [&](auto* map) { return Number(info, bpf_map__reuse_fd(map, fd)); });
}

Napi::Value SetInnerMap(const Napi::CallbackInfo& info) {
  const int fd = Handle::Argument(info, 2, Kind::kMap).fd();
  return ChangeMap(info,
                   [&](auto* map) { return Number(info, bpf_map__set_inner_map_fd(map, fd)); });
}

Napi::Value InitialValue(const Napi::CallbackInfo& info) {
  return ChangeMap(info, [&](auto* map) -> Napi::Value {
    size_t size = 0;
    const void* data = bpf_map__initial_value(map, &size);
    if (data == nullptr) return Number(info, -ENOENT);
    return CopyBytes(info.Env(), data, size);
  });
}

Napi::Value SetInitialValue(const Napi::CallbackInfo& info) {
  const auto bytes = BytesArgument(info, 2);
  return ChangeMap(info, [&](auto* map) {
    return Number(info, bpf_map__set_initial_value(map, bytes.data(), bytes.size()));
  });
}

Napi::Value SetAutoload(const Napi::CallbackInfo& info) {
  const bool on = BooleanArgument(info, 2);
  return ChangeProgram(info, [&](auto* program) { return bpf_program__set_autoload(program, on); });
}

Napi::Value SetAttachType(const Napi::CallbackInfo& info) {
  const auto type = static_cast<bpf_attach_type>(U32Argument(info, 2));
  return ChangeProgram(
      info, [&](auto* program) { return bpf_program__set_expected_attach_type(program, type); });
}

std::vector<std::pair<bpf_program*, LogBuffer>> PrepareLogs(bpf_object* object) {
  std::vector<std::pair<bpf_program*, LogBuffer>> logs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    LogBuffer log;
    if (log.data() == nullptr) continue;
    bpf_program__set_log_buf(program, log.data(), kLogSize);
    logs.emplace_back(program, std::move(log));
  }
  return logs;
}

// All at once, so that no handle is lost where a later one fails. Maps in the description's order,
// -errno for one that was not to be made.
Napi::Object Loaded(Napi::Env env, bpf_object* object) {
  auto maps = Napi::Array::New(env);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    maps.Set(maps.Length(), Handle::Duplicate(env, Kind::kMap, bpf_map__fd(map)));
  }
  auto programs = Napi::Object::New(env);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__fd(program) < 0) continue;
    programs.Set(bpf_program__name(program),
                 Handle::Duplicate(env, Kind::kProgram, bpf_program__fd(program)));
  }
  auto result = Napi::Object::New(env);
  result.Set("maps", maps);
  result.Set("programs", programs);
  return result;
}

// Loads and closes. libbpf asks for a verifier log only where a program was refused without one,
// so a log that is not empty belongs to the program that failed.
Napi::Value Load(const Napi::CallbackInfo& info) {
  auto& wrapper = Object::Argument(info);
  auto* object = wrapper.get();
  if (object == nullptr) return Failure(info.Env(), -EBADF, "");
  std::string log;
  MessageScope scope(log);
  const auto logs = PrepareLogs(object);
  const int error = bpf_object__load(object);
  if (error == 0) {
    auto loaded = Loaded(info.Env(), object);
    wrapper.Close();
    return loaded;
  }
  auto failure = Failure(info.Env(), error, log);
  for (const auto& [program, buffer] : logs) {
    const size_t length = strnlen(buffer.data(), kLogSize);
    if (length == 0) continue;
    failure.Set("program", bpf_program__name(program));
    failure.Set("verifierLog", Napi::String::New(info.Env(), buffer.data(), length));
  }
  wrapper.Close();
  return failure;
}

void Close(const Napi::CallbackInfo& info) { Object::Argument(info).Close(); }

}  // namespace

void DefineObject(Napi::Env env, Napi::Object exports) {
  libbpf_set_print(Collect);
  env.GetInstanceData<AddonData>()->object = Napi::Persistent(Object::Define(env));
  Export<Open>(env, exports, "objectOpen");
  Export<Describe>(env, exports, "objectDescribe");
  Export<SetMaxEntries>(env, exports, "objectSetMaxEntries");
  Export<SetAutocreate>(env, exports, "objectSetAutocreate");
  Export<ReuseMap>(env, exports, "objectReuseMap");
  Export<SetInnerMap>(env, exports, "objectSetInnerMap");
  Export<InitialValue>(env, exports, "objectInitialValue");
  Export<SetInitialValue>(env, exports, "objectSetInitialValue");
  Export<SetAutoload>(env, exports, "objectSetAutoload");
  Export<SetAttachType>(env, exports, "objectSetAttachType");
  Export<Load>(env, exports, "objectLoad");
  Export<Close>(env, exports, "objectClose");
}

}  // namespace libbpf_ts
