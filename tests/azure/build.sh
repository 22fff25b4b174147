#!/bin/bash
# Builds the server that speaks Azure Key Vault's protocol through the fakes of Microsoft's SDK, and prints, as its
# only line on stdout, the path of the binary.
#
# The result is kept in ${LATCHKEY_CACHE:-$HOME/.cache/latchkey}, under a name made of what it is built from, so a
# second call is free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'azure: %s\n' "$*" >&2; }

cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
target=$cache/key-vault-$(cat go.sum go.mod ./*.go build.sh | sha256sum | cut -c1-16)
if [[ ! -x $target ]]; then
  command -v go >/dev/null || {
    say "go is not installed; install Go 1.25 or newer and put it on PATH"
    exit 1
  }
  mkdir -p "$cache"
  staging=$(mktemp -d "$cache/.key-vault-XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  # The toolchain on PATH is used as it is: nothing is downloaded in its place.
  export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS=-mod=readonly
  say "building with $(go env GOVERSION)"
  go build -trimpath -ldflags "-s -w" -o "$staging/key-vault" .
  mv -T "$staging/key-vault" "$target"
fi
printf '%s\n' "$target"
