#!/bin/sh
# Brings a machine to where sluice runs: `sh test/setup.sh [demo|test|vm]`. Says what it does, does
# only what is missing, and may be run again at any time. Debian or Ubuntu, as root.
set -eu
purpose=${1:-demo}
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(uname -s)" = Linux ] || fail "Linux is needed: the programs are eBPF"
[ "$(id -u)" = 0 ] || fail "root is needed: programs are loaded and namespaces made; run it with sudo"

# package=command that shows it is there (or a file, with a slash)
packages="clang=clang make=make g++=g++ libbpf-dev=/usr/include/bpf/libbpf.h
libelf-dev=/usr/include/libelf.h iproute2=ip util-linux=nsenter"
case $purpose in
test) packages="$packages procps=pgrep nftables=nft openssl=openssl curl=curl iperf3=iperf3
bind9-dnsutils=dig ethtool=ethtool iptables=iptables" ;;
vm) packages="$packages qemu-system-x86=qemu-system-x86_64 busybox-static=/usr/share/doc/busybox-static
e2fsprogs=mke2fs xz-utils=xz ethtool=ethtool" ;;
esac

missing=
for entry in $packages; do
  proof=${entry#*=}
  case $proof in
  /*) [ -e "$proof" ] || missing="$missing ${entry%%=*}" ;;
  *) command -v "$proof" >/dev/null 2>&1 || missing="$missing ${entry%%=*}" ;;
  esac
done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null 2>&1 || fail "there is no apt-get here; install what these packages of Debian hold, and run this again:$missing"
  say "installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

stamp=node_modules/.package-lock.json
if [ ! -e "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  say "installing the npm packages of the lock file"
  npm ci --no-audit --no-fund --loglevel=error
  touch "$stamp"
fi
# For npx, which otherwise installs this package into a cache of its own first.
ln -sf ../../agent/bin/sluice.js node_modules/.bin/sluice

say "building the native addon and the eBPF programs"
make -s -C native
make -s -C bpf

if [ "$purpose" = test ]; then
  say "building the control plane for the tests (minutes the first time, cached afterwards)"
  sh test/controlplane/build.sh >/dev/null
fi
