#!/bin/bash
# Runs the tests in which clients that others wrote talk to latchkey. The packages come in the versions of
# requirements.txt into a folder that is kept outside of the checkout and named after that file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'foreign clients: %s\n' "$*" >&2; }

# The packages need this; an older Python would end in an error of pip's that nobody understands.
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
  say "python3 is missing or older than 3.10"
  exit 1
}

cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
packages=$cache/python-$version-$(sha256sum requirements.txt | cut -c1-16)
if [[ ! -x $packages/bin/python ]]; then
  say "installing the packages of requirements.txt"
  mkdir -p "$cache"
  staging=$(mktemp -d "$cache/.python-XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  python3 -m venv "$staging"
  "$staging/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
  # Whole or not at all. Only bin/python is used, which works from any folder.
  mv -T "$staging" "$packages" 2>/dev/null || [[ -x $packages/bin/python ]]
fi

# Without node only the specifications are left out; continuous integration may leave out nothing.
if command -v npm >/dev/null; then
  PRISM=$(./prism.sh)
  export PRISM
elif [[ ${CI:-} == true ]]; then
  say "npm is missing, which holds the doubles to the vendors' specifications"
  exit 1
else
  say "npm is missing: NOT held to the vendors' specifications"
fi

cargo build --quiet --locked --bin latchkey --example clouds --manifest-path ../../Cargo.toml
target=${CARGO_TARGET_DIR:-$(cd ../.. && pwd)/target}
export LATCHKEY=$target/debug/latchkey CLOUDS=$target/debug/examples/clouds PYTHONDONTWRITEBYTECODE=1
exec "$packages/bin/python" -m pytest -q -p no:cacheprovider "$@"
