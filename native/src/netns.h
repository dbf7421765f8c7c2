// SPDX-License-Identifier: Apache-2.0
// Work in another network namespace than the thread's own.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "handle.h"

namespace libbpf_ts {

// The calling thread's namespace; -1 where /proc is missing.
inline UniqueFd OpenOwnNetns() {
  return UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

// Puts the thread back where it was. A thread left in a foreign namespace would do everything that
// follows in the wrong place, so there is no way on if that fails.
class NetnsScope {
 public:
  int Enter(const std::string& path) {
    const UniqueFd target(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return target.get() < 0 ? -errno : Enter(target);
  }
  // Where the thread is there already, nothing is done and no capability is needed.
  int Enter(const UniqueFd& target) {
    home_ = OpenOwnNetns();
    if (home_.get() < 0) return -errno;
    if (IsSame(target.get(), home_.get())) return 0;
    entered_ = setns(target.get(), CLONE_NEWNET) == 0;
    return entered_ ? 0 : -errno;
  }
  ~NetnsScope() {
    if (!entered_ || setns(home_.get(), CLONE_NEWNET) == 0) return;
    perror("libbpf-ts: cannot return to the thread's network namespace");
    abort();
  }

 private:
  static bool IsSame(int one, int other) {
    struct stat a = {};
    struct stat b = {};
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
  }

  UniqueFd home_;
  bool entered_ = false;
};

}  // namespace libbpf_ts
