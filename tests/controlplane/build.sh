#!/bin/bash
# Builds a real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager, kube-scheduler,
# kube-proxy, kubelet, kubectl) as one binary and prints, as its only line on stdout, the folder that holds
# it and one symlink for each program.
#
# The result is kept in ${LATCHKEY_CACHE:-$HOME/.cache/latchkey}, in a folder named after what it is built
# from, so a second call is free. Two calls at once build once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet)
heartbeat_seconds=15

say() { printf 'control plane: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
key=$(cat "$here"/{go.sum,main.go,go.mod,build.sh} | sha256sum | cut -c1-16)
target=$cache/controlplane-$key

finish_if_built() {
  # The folder appears by a rename, whole or not at all.
  if [[ -x $target/controlplane ]]; then
    printf '%s\n' "$target"
    exit 0
  fi
}

finish_if_built
command -v go >/dev/null || fail "go is not installed; install Go 1.25 or newer and put it on PATH"
mkdir -p "$cache"
exec 9>"$cache/controlplane.lock"
if ! flock --nonblock 9; then
  say "waiting for another build to finish"
  flock 9
fi
finish_if_built

staging=$(mktemp -d "$cache/.controlplane-XXXXXX")
heartbeat=
build=
cleanup() {
  [[ -n $heartbeat ]] && kill "$heartbeat" 2>/dev/null
  [[ -n $build ]] && kill "$build" 2>/dev/null
  rm -rf "$staging"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The toolchain on PATH is used as it is: nothing is downloaded in its place.
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly
cd "$here"
started=$SECONDS
say "building with $(go env GOVERSION): about 10 minutes on two cores the first time, one when only the link is left"
# Neither the lock nor the pipe a caller reads may outlive this script through a child.
while sleep $heartbeat_seconds >/dev/null 2>&1; do
  say "still building, $((SECONDS - started)) s"
done 9>&- >/dev/null &
heartbeat=$!

# Without the stamp /version says v0.0.0-master, and version checks of clients misfire.
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
minor=${minor%%.*}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"
  flags+=" -X $package.gitTreeState=clean"
done

say "fetching and compiling Kubernetes $version"
go build -trimpath -ldflags "$flags" -o "$staging/controlplane" . 9>&- &
build=$!
wait "$build" || fail "failed to build; Go's messages are above (modules come from $(go env GOPROXY))"
build=

for program in "${programs[@]}"; do
  ln -s controlplane "$staging/$program"
done
stamped=$("$staging/kube-apiserver" --version)
[[ $stamped == "Kubernetes $version" ]] || fail "the binary says '$stamped' instead of 'Kubernetes $version'"
chmod 755 "$staging"
mv -T "$staging" "$target"
say "built in $((SECONDS - started)) s: $target"
printf '%s\n' "$target"
