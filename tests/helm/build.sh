#!/bin/bash
# Builds Helm from its Go module and prints, as its only line on stdout, the path of the binary.
#
# The result is kept in ${LATCHKEY_CACHE:-$HOME/.cache/latchkey}, under a name made of what it is built
# from, so a second call is free. Two calls at once build once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'helm: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
key=$(cat "$here"/{go.sum,go.mod,build.sh} | sha256sum | cut -c1-16)
target=$cache/helm-$key

finish_if_built() {
  # The binary appears by a rename, whole or not at all.
  if [[ -x $target ]]; then
    printf '%s\n' "$target"
    exit 0
  fi
}

finish_if_built
command -v go >/dev/null || fail "go is not installed; install Go 1.26 or newer and put it on PATH"
mkdir -p "$cache"
exec 9>"$cache/helm.lock"
if ! flock --nonblock 9; then
  say "waiting for another build to finish"
  flock 9
fi
finish_if_built

staging=$(mktemp -d "$cache/.helm-XXXXXX")
trap 'rm -rf "$staging"' EXIT

# The toolchain on PATH is used as it is: nothing is downloaded in its place.
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly
cd "$here"
started=$SECONDS
version=$(go list -m -f '{{.Version}}' helm.sh/helm/v4)
say "building $version with $(go env GOVERSION): some minutes the first time"
flags="-s -w -X helm.sh/helm/v4/internal/version.version=$version"
go build -trimpath -ldflags "$flags" -o "$staging/helm" helm.sh/helm/v4/cmd/helm 9>&- \
  || fail "failed to build; Go's messages are above (modules come from $(go env GOPROXY))"
stamped=$("$staging/helm" version --template '{{.Version}}')
[[ $stamped == "$version" ]] || fail "the binary says '$stamped' instead of '$version'"
mv -T "$staging/helm" "$target"
say "built in $((SECONDS - started)) s: $target"
printf '%s\n' "$target"
