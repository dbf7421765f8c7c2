// SPDX-License-Identifier: Apache-2.0
// Netlink sockets: bytes in and out. What the bytes mean is TypeScript's.
#include <linux/netlink.h>
#include <sys/socket.h>

#include "arguments.h"
#include "handle.h"
#include "modules.h"

namespace libbpf_ts {
namespace {

Handle& Socket(const Napi::CallbackInfo& info) {
  return Handle::Argument(info, 0, Kind::kSocket);
}

int Enable(int fd, int option) {
  const int on = 1;
  return OrErrno(setsockopt(fd, SOL_NETLINK, option, &on, sizeof(on)));
}

// Errors come with the kernel's own words and without the request that they answer.
Napi::Value Open(const Napi::CallbackInfo& info) {
  const int protocol = IntegerArgument<int32_t>(info, 0);
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (fd.get() < 0) return Number(info, -errno);
  Enable(fd.get(), NETLINK_EXT_ACK);
  Enable(fd.get(), NETLINK_CAP_ACK);
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) {
    return Number(info, -errno);
  }
  return Handle::Take(info.Env(), Kind::kSocket, fd.Release());
}

Napi::Value Join(const Napi::CallbackInfo& info) {
  const int group = IntegerArgument<int32_t>(info, 1);
  return Number(info, OrErrno(setsockopt(Socket(info).fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
                                         &group, sizeof(group))));
}

// Beyond the system's limit, for which it takes CAP_NET_ADMIN.
Napi::Value SetReceiveBuffer(const Napi::CallbackInfo& info) {
  const int size = IntegerArgument<int32_t>(info, 1);
  return Number(info, OrErrno(setsockopt(Socket(info).fd(), SOL_SOCKET, SO_RCVBUFFORCE, &size,
                                         sizeof(size))));
}

Napi::Value Send(const Napi::CallbackInfo& info) {
  const auto bytes = BytesArgument(info, 1);
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  return Number(info, OrErrno(sendto(Socket(info).fd(), bytes.data(), bytes.size(), 0,
                                     reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel))));
}

// The datagram's whole length, also where the buffer is shorter. 0: not from the kernel, ignore.
Napi::Value Receive(const Napi::CallbackInfo& info) {
  const auto bytes = BytesArgument(info, 1);
  sockaddr_nl sender = {};
  socklen_t length = sizeof(sender);
  const auto size = OrErrno(recvfrom(Socket(info).fd(), bytes.data(), bytes.size(), MSG_TRUNC,
                                     reinterpret_cast<sockaddr*>(&sender), &length));
  return Number(info, size > 0 && sender.nl_pid != 0 ? 0 : size);
}

}  // namespace

void DefineSocket(Napi::Env env, Napi::Object exports) {
  Export<Open>(env, exports, "netlinkOpen");
  Export<Join>(env, exports, "netlinkJoin");
  Export<SetReceiveBuffer>(env, exports, "netlinkSetReceiveBuffer");
  Export<Send>(env, exports, "netlinkSend");
  Export<Receive>(env, exports, "netlinkReceive");
}

}  // namespace libbpf_ts
