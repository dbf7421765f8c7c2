// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <vector>

#include "arguments.h"
#include "handle.h"
#include "modules.h"
#include "netns.h"
#include "pool.h"

namespace libbpf_ts {
namespace {

Handle& Program(const Napi::CallbackInfo& info) {
  return Handle::Argument(info, 0, Kind::kProgram);
}

Handle& Link(const Napi::CallbackInfo& info) { return Handle::Argument(info, 0, Kind::kLink); }

// (program, target, attach type): the target is a descriptor or, for TCX, an interface index.
Napi::Value Create(const Napi::CallbackInfo& info) {
  const int fd = bpf_link_create(Program(info).fd(), IntegerArgument<int32_t>(info, 1),
                                 static_cast<bpf_attach_type>(U32Argument(info, 2)), nullptr);
  return Handle::Take(info.Env(), Kind::kLink, fd);
}

// A descriptor of one's own, for work that outlasts the call: JavaScript may close its own meanwhile.
std::shared_ptr<UniqueFd> KeptOpen(const Handle& handle) {
  return std::make_shared<UniqueFd>(fcntl(handle.fd(), F_DUPFD_CLOEXEC, 0));
}

// As Create, on the thread pool; for an interface, of the calling thread's network namespace.
Napi::Value CreateOnPool(const Napi::CallbackInfo& info) {
  const auto program = KeptOpen(Program(info));
  const auto target = IntegerArgument<int32_t>(info, 1);
  const auto type = static_cast<bpf_attach_type>(U32Argument(info, 2));
  const auto netns = std::make_shared<UniqueFd>(OpenOwnNetns());
  // Closed by itself where nobody is left to take it.
  const auto made = std::make_shared<UniqueFd>();
  const auto run = [=]() -> long {
    NetnsScope scope;
    if (const int error = scope.Enter(*netns); error != 0) return error;
    *made = UniqueFd(bpf_link_create(program->get(), target, type, nullptr));
    return made->get() < 0 ? -errno : 0;
  };
  const auto settle = [made](Napi::Env env, long result) {
    return Handle::Take(env, Kind::kLink, result == 0 ? made->Release() : static_cast<int>(result));
  };
  return CallOnPool(info, "bpf_link_create", run, settle);
}

Napi::Value CreateIterator(const Napi::CallbackInfo& info) {
  bpf_iter_link_info target = {};
  LIBBPF_OPTS(bpf_link_create_opts, options);
  if (!Absent(info, 1)) {
    target.map.map_fd = Handle::Argument(info, 1, Kind::kMap).fd();
    options.iter_info = &target;
    options.iter_info_len = sizeof(target);
  }
  const int fd = bpf_link_create(Program(info).fd(), 0, BPF_TRACE_ITER, &options);
  return Handle::Take(info.Env(), Kind::kLink, fd);
}

Napi::Value Update(const Napi::CallbackInfo& info) {
  const int program = Handle::Argument(info, 1, Kind::kProgram).fd();
  return Number(info, bpf_link_update(Link(info).fd(), program, nullptr));
}

Napi::Value Detach(const Napi::CallbackInfo& info) {
  return Number(info, bpf_link_detach(Link(info).fd()));
}

Napi::Value DetachOnPool(const Napi::CallbackInfo& info) {
  const auto link = KeptOpen(Link(info));
  const auto run = [link]() -> long { return bpf_link_detach(link->get()); };
  return CallOnPool(info, "bpf_link_detach", run, SettleNumber);
}

// (program, cgroup, attach type, flags): without a link.
Napi::Value ProgramAttach(const Napi::CallbackInfo& info) {
  return Number(info, bpf_prog_attach(Program(info).fd(), IntegerArgument<int32_t>(info, 1),
                                      static_cast<bpf_attach_type>(U32Argument(info, 2)),
                                      U32Argument(info, 3)));
}

// (program, cgroup, attach type)
Napi::Value ProgramDetach(const Napi::CallbackInfo& info) {
  return Number(info, bpf_prog_detach2(Program(info).fd(), IntegerArgument<int32_t>(info, 1),
                                       static_cast<bpf_attach_type>(U32Argument(info, 2))));
}

// The words after id and program are the kind's own: TCX is younger than the build's headers.
Napi::Value Info(const Napi::CallbackInfo& info) {
  bpf_link_info link = {};
  const int error = InfoByFd(Link(info).fd(), link);
  if (error != 0) return Number(info, error);
  auto result = Napi::Object::New(info.Env());
  result.Set("id", link.id);
  result.Set("type", link.type);
  result.Set("programId", link.prog_id);
  result.Set("detail", CopyBytes(info.Env(), &link.cgroup, 16));
  return result;
}

// (target, attach type): ids of all programs attached there, ours or not.
Napi::Value Query(const Napi::CallbackInfo& info) {
  const auto target = IntegerArgument<int32_t>(info, 0);
  const auto type = static_cast<bpf_attach_type>(U32Argument(info, 1));
  std::array<uint32_t, 1024> ids;
  LIBBPF_OPTS(bpf_prog_query_opts, options, .prog_ids = ids.data(), .prog_cnt = ids.size());
  if (const int error = bpf_prog_query_opts(target, type, &options); error != 0) {
    return Number(info, error);
  }
  auto result = Napi::Array::New(info.Env(), options.prog_cnt);
  for (uint32_t i = 0; i < options.prog_cnt; i++) result.Set(i, ids[i]);
  return result;
}

Napi::Value IteratorCreate(const Napi::CallbackInfo& info) {
  return Handle::Take(info.Env(), Kind::kFile, bpf_iter_create(Link(info).fd()));
}

Napi::Value IteratorRead(const Napi::CallbackInfo& info) {
  const auto bytes = BytesArgument(info, 1);
  const int fd = Handle::Argument(info, 0, Kind::kFile).fd();
  return Number(info, OrErrno(read(fd, bytes.data(), bytes.size())));
}

bpf_tc_hook Hook(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = IntegerArgument<int32_t>(info, 0),
              .attach_point = static_cast<bpf_tc_attach_point>(U32Argument(info, 1)));
  return hook;
}

bpf_tc_opts Filter(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_tc_opts, filter, .handle = U32Argument(info, 2),
              .priority = U32Argument(info, 3));
  return filter;
}

Napi::Value DescribeFilter(const Napi::CallbackInfo& info, const bpf_tc_opts& filter) {
  auto result = Napi::Object::New(info.Env());
  result.Set("handle", filter.handle);
  result.Set("priority", filter.priority);
  result.Set("programId", filter.prog_id);
  return result;
}

// (interface index, attach point): makes the clsact qdisc; -EEXIST where there is one.
Napi::Value TcCreateHook(const Napi::CallbackInfo& info) {
  auto hook = Hook(info);
  return Number(info, bpf_tc_hook_create(&hook));
}

// (interface index, attach point, handle, priority, program, replace)
Napi::Value TcAttach(const Napi::CallbackInfo& info) {
  auto hook = Hook(info);
  auto filter = Filter(info);
  filter.prog_fd = Handle::Argument(info, 4, Kind::kProgram).fd();
  filter.flags = BooleanArgument(info, 5) ? BPF_TC_F_REPLACE : 0;
  const int error = bpf_tc_attach(&hook, &filter);
  return error != 0 ? Number(info, error) : DescribeFilter(info, filter);
}

Napi::Value TcQuery(const Napi::CallbackInfo& info) {
  auto hook = Hook(info);
  auto filter = Filter(info);
  const int error = bpf_tc_query(&hook, &filter);
  return error != 0 ? Number(info, error) : DescribeFilter(info, filter);
}

Napi::Value TcDetach(const Napi::CallbackInfo& info) {
  auto hook = Hook(info);
  auto filter = Filter(info);
  return Number(info, bpf_tc_detach(&hook, &filter));
}

}  // namespace

void DefineLink(Napi::Env env, Napi::Object exports) {
  Export<Create>(env, exports, "linkCreate");
  Export<CreateOnPool>(env, exports, "linkCreateOnPool");
  Export<CreateIterator>(env, exports, "linkCreateIterator");
  Export<Update>(env, exports, "linkUpdate");
  Export<Detach>(env, exports, "linkDetach");
  Export<DetachOnPool>(env, exports, "linkDetachOnPool");
  Export<Info>(env, exports, "linkInfo");
  Export<ProgramAttach>(env, exports, "programAttach");
  Export<ProgramDetach>(env, exports, "programDetach");
  Export<Query>(env, exports, "programQuery");
  Export<IteratorCreate>(env, exports, "iteratorCreate");
  Export<IteratorRead>(env, exports, "iteratorRead");
  Export<TcCreateHook>(env, exports, "tcCreateHook");
  Export<TcAttach>(env, exports, "tcAttach");
  Export<TcQuery>(env, exports, "tcQuery");
  Export<TcDetach>(env, exports, "tcDetach");
}

}  // namespace libbpf_ts
