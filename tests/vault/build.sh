#!/bin/bash
# Builds the real Vault server as one binary and prints, as its only line on stdout, the folder that holds it.
# It is a tool of the tests and never shipped (BUSL-1.1).
#
# The result is kept in ${LATCHKEY_CACHE:-$HOME/.cache/latchkey}, in a folder named after what it is built
# from, so a second call is free. Two calls at once build once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
heartbeat_seconds=15

say() { printf 'vault: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
key=$(cat "$here"/{go.sum,go.mod,build.sh} | sha256sum | cut -c1-16)
target=$cache/vault-$key

finish_if_built() {
  # The folder appears by a rename, whole or not at all.
  if [[ -x $target/vault ]]; then
    printf '%s\n' "$target"
    exit 0
  fi
}

finish_if_built
command -v go >/dev/null || fail "go is not installed; install Go 1.25 or newer and put it on PATH"
mkdir -p "$cache"
exec 9>"$cache/vault.lock"
if ! flock --nonblock 9; then
  say "waiting for another build to finish"
  flock 9
fi
finish_if_built

staging=$(mktemp -d "$cache/.vault-XXXXXX")
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
say "building with $(go env GOVERSION): 10 to 20 minutes on two cores the first time, one when only the link is left"
# Neither the lock nor the pipe a caller reads may outlive this script through a child.
while sleep $heartbeat_seconds >/dev/null 2>&1; do
  say "still building, $((SECONDS - started)) s"
done 9>&- >/dev/null &
heartbeat=$!

say "fetching and compiling Vault $(go list -m -f '{{.Version}}' github.com/hashicorp/vault)"
go build -trimpath -ldflags "-s -w" -o "$staging/vault" github.com/hashicorp/vault 9>&- &
build=$!
wait "$build" || fail "failed to build; Go's messages are above (modules come from $(go env GOPROXY))"
build=

"$staging/vault" version >&2 || fail "the binary does not start"
chmod 755 "$staging"
mv -T "$staging" "$target"
say "built in $((SECONDS - started)) s: $target"
printf '%s\n' "$target"
