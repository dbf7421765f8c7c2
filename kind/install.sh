#!/usr/bin/env bash
# Installs sluice into a kind cluster that has no kube-proxy: kind/install.sh [CLUSTER]
# Run it again to bring in what was changed.
set -euo pipefail

cluster=${1:-kind}
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
image=$(sed -n 's/^ *image: //p' "$root/manifests/daemonset.yaml" | sort -u)

say() { printf 'install: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
kube() { kubectl --context "kind-$cluster" --namespace kube-system "$@"; }

for tool in docker kind kubectl; do
  command -v "$tool" >/dev/null || fail "there is no $tool on the PATH"
done
clusters=$(kind get clusters)
grep -Fxq -- "$cluster" <<<"$clusters" ||
  fail "there is no kind cluster $cluster: kind create cluster --name $cluster --config $root/kind/cluster.yaml"
if [[ -n $(kube get daemonset kube-proxy --ignore-not-found --output name) ]]; then
  fail "kube-proxy runs in $cluster: make the cluster with kind/cluster.yaml or kind/dual-stack.yaml"
fi

# Unlike the kubeconfig on this machine, this one names the control-plane node as the nodes see it.
server=$(kind get kubeconfig --internal --name "$cluster" | sed -n 's/^ *server: //p')
[[ $server == https://* ]] || fail "the kubeconfig inside $cluster names no API server: \"$server\""

say "building $image"
docker build --tag "$image" "$root"
say "loading it into the nodes of $cluster"
kind load docker-image "$image" --name "$cluster"

# systemd mounts it on a machine, and does not in a container.
for node in $(kind get nodes --name "$cluster"); do
  say "mounting the bpf file system of $node, where it has none"
  docker exec "$node" sh -c 'mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf'
done

say "applying manifests/ with the API server at $server"
standing=$(kube get daemonset sluice --ignore-not-found --output name)
manifests=$(kubectl kustomize "$root/manifests")
configured=${manifests/'server: ""'/"server: $server"}
[[ $configured != "$manifests" ]] || fail "manifests/configmap.yaml has no empty server to fill in"
kube apply --filename - <<<"$configured"
# The image has the same name, and the address is read at the start.
if [[ -n $standing ]]; then kube rollout restart daemonset/sluice; fi

say "waiting until every node is served"
if ! kube rollout status daemonset/sluice --timeout 180s; then
  kube get pods --selector app.kubernetes.io/name=sluice --output wide >&2
  kube logs daemonset/sluice --all-containers --tail 20 >&2 || true
  fail "sluice is not ready on every node; above is what it says"
fi
say "done; see it by: kubectl --context kind-$cluster -n kube-system exec daemonset/sluice -- sluice status"
