#!/bin/bash
# Builds the binary with each provider alone, so that none leans on another without saying so in Cargo.toml.
#
# cargo-hack is built once and kept in ${LATCHKEY_CACHE:-$HOME/.cache/latchkey}.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

hack_version=0.6.46
tools=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}/cargo-hack-$hack_version
if [[ ! -x $tools/bin/cargo-hack ]]; then
  printf 'building cargo-hack %s, once\n' "$hack_version" >&2
  cargo install cargo-hack --version "$hack_version" --locked --root "$tools" >&2
fi
export PATH=$tools/bin:$PATH
# Each selection is built once.
export CARGO_INCREMENTAL=0
# Without any provider there is nothing to build for; with all of them it is the default.
exec cargo hack clippy --locked --lib --bins --each-feature --exclude-no-default-features \
  --exclude-all-features --exclude-features default,remote --keep-going "$@" -- -D warnings
