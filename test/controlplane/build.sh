#!/bin/sh
# Prints the path of the control plane's binary, building it first where the cache has none.
# The cache is outside the tree (SLUICE_CACHE, else the user's cache folder) and keyed by what the
# program is built from, so that every checkout of the same sources shares one binary.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"

cache="${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/sluice"
key=$(cat build.sh go.mod go.sum ./*.go | sha256sum | cut -c1-16)
binary="$cache/controlplane-$key"

if [ -x "$binary" ]; then
  echo "$binary"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "test/controlplane: no Go toolchain; install Go 1.26 or newer, or set KUBEBUILDER_ASSETS" >&2
  echo "to a folder with etcd, kube-apiserver, kube-controller-manager and kube-proxy" >&2
  exit 1
fi

mkdir -p "$cache"
# Two builds at once would each take all cores and memory: the second waits and finds the binary.
exec 9>"$binary.lock"
flock 9
if [ ! -x "$binary" ]; then
  release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  minor=${release#v1.}
  minor=${minor%%.*}
  version=k8s.io/component-base/version
  echo "test/controlplane: building Kubernetes $release and etcd into $binary (once; about 8 minutes)" >&2
  trap 'rm -f "$binary.tmp"' EXIT
  CGO_ENABLED=0 nice -n 10 go build -trimpath -tags providerless,dockerless,grpcnotrace \
    -ldflags "-s -w -X $version.gitVersion=$release -X $version.gitMajor=1 -X $version.gitMinor=$minor" \
    -o "$binary.tmp" . >&2
  mv "$binary.tmp" "$binary"
  echo "test/controlplane: built" >&2
fi
rm -f "$binary.lock"
echo "$binary"
