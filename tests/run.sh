#!/bin/bash
# Every check and test, in the order in which they are quickest to fail. All run even if one fails; the
# summary at the end says which. With CI=true nothing may be skipped.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_PROGRESS_WHEN=${CARGO_TERM_PROGRESS_WHEN:-never}
# What a later build would start from is written for nobody where each build is from scratch; it is most of
# what a build takes of the disk.
if [[ ${CI:-} == true ]]; then export CARGO_INCREMENTAL=0; fi

summary=()
failures=0

# record RESULT NAME SECONDS
record() {
  summary+=("$(printf '%-5s %5d s  %s' "$1" "$3" "$2")")
  [[ $1 == FAIL ]] && failures=$((failures + 1))
}

# run NAME COMMAND…
run() {
  local name=$1 started=$SECONDS result=ok
  shift
  printf '\n== %s: %s\n' "$name" "$*"
  "$@" || result=FAIL
  printf '== %s: %s after %d s\n' "$name" "$result" $((SECONDS - started))
  record $result "$name" $((SECONDS - started))
}

# skip NAME WHY: what this machine cannot run; continuous integration may skip nothing.
skip() {
  printf '\n== %s: NOT RUN, %s\n' "$1" "$2" >&2
  if [[ ${CI:-} == true ]]; then record FAIL "$1: $2" 0; else record skip "$1: $2" 0; fi
}

need() {
  command -v "$1" >/dev/null && return
  printf '%s is not installed: %s\n' "$1" "$2" >&2
  exit 1
}

need cargo "install Rust with rustup, https://rustup.rs"
need cc "install a C compiler, for example apt-get install build-essential"
need go "install Go 1.25 or newer: the control plane is built with it"
need flock "install util-linux"
# rustup reads rust-toolchain.toml and fetches what it names; a toolchain of another origin may lack these.
for component in fmt:rustfmt clippy:clippy; do
  cargo "${component%:*}" --version >/dev/null 2>&1 || run "install ${component#*:}" rustup component add "${component#*:}"
done

run "format" cargo fmt --check
run "lints" cargo clippy --locked --all-targets -- -D warnings
# Which are not all: those that are run by name below are left out.
run "lints of tests that need servers" cargo clippy --locked --test e2e --test vault --test aws --test azure -- -D warnings
run "unit and integration tests" cargo test --locked
run "each provider alone" tests/features.sh
if command -v python3 >/dev/null; then
  run "foreign clients" tests/python/run.sh
  run "moto" tests/aws/build.sh
  run "tests against moto" cargo test --locked --test aws
else
  skip "foreign clients" "python3 is not installed"
  skip "tests against moto" "python3 is not installed"
fi
run "Key Vault" tests/azure/build.sh
run "tests against Key Vault" cargo test --locked --test azure
run "Vault" tests/vault/build.sh
if command -v python3 >/dev/null; then
  run "OpenBao" tests/vault/openbao.sh
  run "tests against Vault and OpenBao" cargo test --locked --test vault
else
  # AWS vouches for nobody without moto.
  run "tests against Vault" cargo test --locked --test vault -- --skip cloud_logins --skip open_bao
  skip "logins to Vault by AWS, and OpenBao" "python3 is not installed"
fi
run "control plane" tests/controlplane/build.sh
run "helm" tests/helm/build.sh
# One after the other: several start a control plane of their own, and two at once overload two cores.
run "cluster tests" cargo test --locked --test e2e -- --test-threads=1

printf '\n== Summary, after %d s\n' $SECONDS
printf '%s\n' "${summary[@]}"
((failures == 0))
