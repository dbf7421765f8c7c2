// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

namespace libbpf_ts {
namespace {

Handle& Program(const Napi::CallbackInfo& info) {
  return Handle::Argument(info, 0, Kind::kProgram);
}

// (type, expected attach type, instructions): a GPL program without relocations, for probes.
Napi::Value Load(const Napi::CallbackInfo& info) {
  const auto type = static_cast<bpf_prog_type>(U32Argument(info, 0));
  const auto instructions = BytesArgument(info, 2);
  LIBBPF_OPTS(bpf_prog_load_opts, options,
              .expected_attach_type = static_cast<bpf_attach_type>(U32Argument(info, 1)));
  const int fd = bpf_prog_load(type, nullptr, "GPL",
                               reinterpret_cast<const bpf_insn*>(instructions.data()),
                               instructions.size() / sizeof(bpf_insn), &options);
  return Handle::Take(info.Env(), Kind::kProgram, fd);
}

Napi::Value Info(const Napi::CallbackInfo& info) {
  bpf_prog_info program = {};
  const int error = InfoByFd(Program(info).fd(), program);
  if (error != 0) return Number(info, error);
  auto env = info.Env();
  auto result = Napi::Object::New(env);
  result.Set("id", program.id);
  result.Set("type", program.type);
  result.Set("name", std::string(program.name, strnlen(program.name, sizeof(program.name))));
  result.Set("tag", CopyBytes(env, program.tag, sizeof(program.tag)));
  result.Set("loadedAtNs", Napi::BigInt::New(env, static_cast<uint64_t>(program.load_time)));
  result.Set("runTimeNs", Napi::BigInt::New(env, static_cast<uint64_t>(program.run_time_ns)));
  result.Set("runCount", Napi::BigInt::New(env, static_cast<uint64_t>(program.run_cnt)));
  result.Set("instructions", program.verified_insns);
  result.Set("mapCount", program.nr_map_ids);
  return result;
}

// (program, data, context, data out, context out, repeat, flags)
Napi::Value TestRun(const Napi::CallbackInfo& info) {
  const auto data = OptionalBytes(info, 1);
  const auto context = OptionalBytes(info, 2);
  const auto data_out = OptionalBytes(info, 3);
  const auto context_out = OptionalBytes(info, 4);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = data.data();
  options.data_size_in = data.size();
  options.ctx_in = context.data();
  options.ctx_size_in = context.size();
  options.data_out = data_out.data();
  options.data_size_out = data_out.size();
  options.ctx_out = context_out.data();
  options.ctx_size_out = context_out.size();
  options.repeat = IntegerArgument<int32_t>(info, 5);
  options.flags = U32Argument(info, 6);
  const int error = bpf_prog_test_run_opts(Program(info).fd(), &options);
  if (error != 0) return Number(info, error);
  auto result = Napi::Object::New(info.Env());
  result.Set("returnValue", options.retval);
  result.Set("dataSize", options.data_size_out);
  result.Set("contextSize", options.ctx_size_out);
  result.Set("durationNs", options.duration);
  return result;
}

// Of maps, programs and links alike.
Napi::Value Pin(const Napi::CallbackInfo& info) {
  const auto kind = static_cast<Kind>(U32Argument(info, 1));
  const auto path = StringArgument(info, 2);
  return Number(info, bpf_obj_pin(Handle::Argument(info, 0, kind).fd(), path.c_str()));
}

Napi::Value OpenPinned(const Napi::CallbackInfo& info) {
  const auto kind = static_cast<Kind>(U32Argument(info, 0));
  const auto path = StringArgument(info, 1);
  if (kind > Kind::kLink) Refuse(info, 0, "a map, a program or a link");
  LIBBPF_OPTS(bpf_obj_get_opts, options, .file_flags = U32Argument(info, 2));
  return Handle::Take(info.Env(), kind, bpf_obj_get_opts(path.c_str(), &options));
}

Napi::Value OpenById(const Napi::CallbackInfo& info) {
  const auto kind = static_cast<Kind>(U32Argument(info, 0));
  const auto id = U32Argument(info, 1);
  if (kind > Kind::kLink) Refuse(info, 0, "a map, a program or a link");
  const int fd = kind == Kind::kMap       ? bpf_map_get_fd_by_id(id)
                 : kind == Kind::kProgram ? bpf_prog_get_fd_by_id(id)
                                          : bpf_link_get_fd_by_id(id);
  return Handle::Take(info.Env(), kind, fd);
}

Napi::Value ProbeProgramType(const Napi::CallbackInfo& info) {
  return Number(info, libbpf_probe_bpf_prog_type(
                          static_cast<bpf_prog_type>(U32Argument(info, 0)), nullptr));
}

Napi::Value ProbeMapType(const Napi::CallbackInfo& info) {
  return Number(info, libbpf_probe_bpf_map_type(
                          static_cast<bpf_map_type>(U32Argument(info, 0)), nullptr));
}

}  // namespace

void DefineProgram(Napi::Env env, Napi::Object exports) {
  Export<Load>(env, exports, "programLoad");
  Export<Info>(env, exports, "programInfo");
  Export<TestRun>(env, exports, "programTestRun");
  Export<Pin>(env, exports, "pin");
  Export<OpenPinned>(env, exports, "openPinned");
  Export<OpenById>(env, exports, "openById");
  Export<ProbeProgramType>(env, exports, "probeProgramType");
  Export<ProbeMapType>(env, exports, "probeMapType");
}

}  // namespace libbpf_ts
