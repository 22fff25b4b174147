#!/bin/bash
# Drives the webhook of the optimised binary over TLS with a public load tool, at a fixed rate, and prints
# what reviews take, beside a floor of the same run: the same bytes to the same server, which refuses them
# before it looks at them. Nothing fails because of a time.
#
# --rate, --connections, --seconds and --rounds change the load. LOAD_TOOL names an oha of your own; without
# it one is built once and kept in ${LATCHKEY_CACHE:-$HOME/.cache/latchkey}.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

oha_version=1.16.0
cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}

if [[ -z ${LOAD_TOOL:-} ]]; then
  LOAD_TOOL=$cache/oha-$oha_version/bin/oha
  if [[ ! -x $LOAD_TOOL ]]; then
    printf 'building oha %s, once\n' "$oha_version" >&2
    cargo install oha --version "$oha_version" --locked --no-default-features --features rustls \
      --root "$cache/oha-$oha_version" >&2
  fi
fi

cargo build --release --locked --bin latchkey
tests/controlplane/build.sh >/dev/null
export LATCHKEY_BINARY=${LATCHKEY_BINARY:-$PWD/target/release/latchkey}
exec cargo run --quiet --locked --example load -- --tool "$LOAD_TOOL" "$@"
