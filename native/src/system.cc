// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/membarrier.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

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

struct Membarrier {
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  long result = 0;
};

void RunMembarrier(napi_env, void* data) {
  auto* barrier = static_cast<Membarrier*>(data);
  barrier->result = OrErrno(syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
}

// The raw interface: in a thread that is ending nothing resolves any more, and that is no error.
void ResolveMembarrier(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Membarrier> barrier(static_cast<Membarrier*>(data));
  napi_value result = nullptr;
  if (napi_create_int64(env, barrier->result, &result) == napi_ok) {
    napi_resolve_deferred(env, barrier->deferred, result);
  }
  napi_delete_async_work(env, barrier->work);
}

// Resolves to 0 or -errno; waits on the thread pool.
Napi::Value MembarrierGlobal(const Napi::CallbackInfo& info) {
  auto env = info.Env();
  auto barrier = std::make_unique<Membarrier>();
  napi_value promise = nullptr;
  const Napi::Value name = Napi::String::New(env, "membarrier");
  if (napi_create_promise(env, &barrier->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, name, RunMembarrier, ResolveMembarrier, barrier.get(),
                             &barrier->work) != napi_ok ||
      napi_queue_async_work(env, barrier->work) != napi_ok) {
    return Number(info, -ENOMEM);
  }
  barrier.release();
  return Napi::Value(env, promise);
}

// Puts the thread back where it was. A thread left in a foreign namespace would do everything that
// follows in the wrong place, so there is no way on if that fails.
class NetnsScope {
 public:
  int Enter(const std::string& path) {
    home_ = UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    const UniqueFd target(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (home_.get() < 0 || target.get() < 0) return -errno;
    entered_ = setns(target.get(), CLONE_NEWNET) == 0;
    return entered_ ? 0 : -errno;
  }
  ~NetnsScope() {
    if (!entered_ || setns(home_.get(), CLONE_NEWNET) == 0) return;
    perror("libbpf-ts: cannot return to the thread's network namespace");
    abort();
  }

 private:
  UniqueFd home_;
  bool entered_ = false;
};

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
