// SPDX-License-Identifier: Apache-2.0
#include <linux/membarrier.h>
#include <malloc.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arguments.h"
#include "handle.h"
#include "modules.h"
#include "netns.h"
#include "pool.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace libbpf_ts {
namespace {

Napi::Value MountBpffs(const Napi::CallbackInfo& info) {
  const auto path = StringArgument(info, 0);
  return Number(info, OrErrno(mount("bpffs", path.c_str(), "bpf", 0, "mode=0700")));
}

Napi::Value NetnsCookie(const Napi::CallbackInfo& info) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Number(info, -errno);
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0) {
    return Number(info, -errno);
  }
  return Napi::BigInt::New(info.Env(), cookie);
}

// Resolves to 0 or -errno; waits on the thread pool.
Napi::Value MembarrierGlobal(const Napi::CallbackInfo& info) {
  const auto run = [] { return OrErrno(syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)); };
  return CallOnPool(info, "membarrier", run, SettleNumber);
}

// (path, callback): -errno, or what the callback returns as an array of one element. The raw call
// leaves whatever the callback throws pending, null and undefined too.
Napi::Value InNetns(const Napi::CallbackInfo& info) {
  const auto path = StringArgument(info, 0);
  if (!info[1].IsFunction()) Refuse(info, 1, "a function");
  napi_value result = nullptr;
  {
    NetnsScope scope;
    if (const int error = scope.Enter(path); error != 0) return Number(info, error);
    if (napi_call_function(info.Env(), info.Env().Global(), info[1], 0, nullptr, &result) !=
        napi_ok) {
      return Napi::Value();
    }
  }
  auto box = Napi::Array::New(info.Env(), 1);
  box.Set(0u, Napi::Value(info.Env(), result));
  return box;
}

}  // namespace

Napi::Value ReleaseFreeMemory(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), malloc_trim(0) == 1);
}

void DefineSystem(Napi::Env env, Napi::Object exports) {
  Export<MountBpffs>(env, exports, "mountBpffs");
  Export<NetnsCookie>(env, exports, "netnsCookie");
  Export<MembarrierGlobal>(env, exports, "membarrierGlobal");
  Export<InNetns>(env, exports, "inNetns");
  Export<ReleaseFreeMemory>(env, exports, "releaseFreeMemory");
}

}  // namespace libbpf_ts
