#!/usr/bin/env bash
# Publishes with an API token: from a person's machine, or from a CI system that gives no id token the registry takes.
# It audits, shows what would be published, asks, publishes, and compares what the registry serves with what was packed.
#
# Usage: publish.sh [--yes] [--registry URL] [--tag TAG] [--version VERSION] [--receipt FILE] [FOLDER...]
#   FOLDER      packages, default `.`; several become visible together or not at all
#   --yes       do not ask; needed where nobody can answer
#   --registry  the registry, instead of the variable PACKHOUSE_REGISTRY
#   --tag       the tag that is released: it must name the manifest's version
#   --version   the version to set in the archive: X.Y.Z, or from-git
#   --receipt   where to keep what the registry answered, as JSON
#
# PACKHOUSE_TOKEN         the token; asked for, unseen, where it is not set. Never an argument: others on the machine see those
# PACKHOUSE               the program, default `packhouse`
# PACKHOUSE_WAIT_SECONDS  how long to wait until the release can be fetched, default 120: caches may be a minute old
#
# Ends with packhouse's own exit code where that says no, else with 2 for wrong arguments, 6 where the registry serves something
# else than was packed, and 130 where the answer was no.
set -euo pipefail
packhouse=${PACKHOUSE:-packhouse}
wait_seconds=${PACKHOUSE_WAIT_SECONDS:-120}

say() { printf '\n== %s\n' "$*" >&2; }
fail() { printf 'publish.sh: %s\n' "$*" >&2; exit 2; }

yes=
options=() # of `audit`, `pack` and `publish` alike
version=()
receipt=()
folders=()
while [ $# -gt 0 ]; do
  case $1 in
    --registry | --tag | --version | --receipt) [ $# -gt 1 ] || fail "\`$1\` needs a value" ;;
  esac
  case $1 in
    --yes) yes=yes ;;
    --registry) export PACKHOUSE_REGISTRY=$2; shift ;;
    --tag) options+=(--tag "$2"); shift ;;
    --version) version=(--version "$2"); shift ;;
    --receipt) receipt=(--receipt "$2"); shift ;;
    --help) sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit ;;
    -*) fail "there is no \`$1\`: \`publish.sh --help\`" ;;
    *) folders+=("$1") ;;
  esac
  shift
done
[ "${#folders[@]}" -gt 0 ] || folders=(.)
command -v "$packhouse" >/dev/null || fail "there is no \`$packhouse\`: install it, or name it in PACKHOUSE"
# A token goes only to a registry that its holder names, never to one that a manifest names.
[ -n "${PACKHOUSE_REGISTRY:-}" ] || fail "no registry: set PACKHOUSE_REGISTRY, or give --registry URL"
if [ -z "${PACKHOUSE_TOKEN:-}${PACKHOUSE_TOKEN_FILE:-}" ]; then
  [ -t 0 ] || fail "no token: set PACKHOUSE_TOKEN to an API token with the action \`publish\`"
  read -rsp "API token for $PACKHOUSE_REGISTRY: " PACKHOUSE_TOKEN
  echo >&2
  export PACKHOUSE_TOKEN
fi
if [ -z "$yes" ] && ! [ -t 0 ]; then fail "nobody can answer here: give --yes"; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Empty lists are written so that the old bash of macOS takes them under `set -u`.
# A version that is set in the archive is not in the manifest yet: the rehearsal below audits with it.
if [ "${#version[@]}" = 0 ]; then
  say "audit"
  "$packhouse" audit "${options[@]+"${options[@]}"}" "${folders[@]}"
fi

say "what would be published to $PACKHOUSE_REGISTRY"
for at in "${!folders[@]}"; do
  "$packhouse" pack "${options[@]+"${options[@]}"}" "${version[@]+"${version[@]}"}" \
    --output "$work/$at.zip" "${folders[$at]}" >"$work/$at.digest"
  printf '%s: SHA-256 %s' "${folders[$at]}" "$(cut -d ' ' -f 1 "$work/$at.digest")" >&2
  # Not every folder is a checkout, and not every machine has git.
  if commit=$(git -C "${folders[$at]}" rev-parse HEAD 2>/dev/null); then
    printf ', commit %s' "$commit" >&2
    changed=$(git -C "${folders[$at]}" status --porcelain -- .)
    if [ -n "$changed" ]; then printf ' and changes that are not committed' >&2; fi
  fi
  echo >&2
done
# The registry decides, and stores nothing.
"$packhouse" publish --dry-run "${options[@]+"${options[@]}"}" "${version[@]+"${version[@]}"}" "${folders[@]}" >"$work/titles"

if [ -z "$yes" ]; then
  read -rp "Publish? A release never changes. [y/N] " answer
  case $answer in y | Y | yes) ;; *) echo "nothing was published" >&2; exit 130 ;; esac
fi

say "publish"
"$packhouse" publish "${options[@]+"${options[@]}"}" "${version[@]+"${version[@]}"}" "${receipt[@]+"${receipt[@]}"}" "${folders[@]}"

say "verify"
# The dry run names the packages in the order of the folders.
at=0
while read -r title; do
  waited=0
  while true; do
    code=0
    "$packhouse" fetch --quiet --archive --force --to "$work/$at.fetched.zip" "$title" >/dev/null || code=$?
    # 3: a cache does not know of it yet.
    if [ "$code" != 3 ] || [ "$waited" -ge "$wait_seconds" ]; then break; fi
    sleep 5
    waited=$((waited + 5))
  done
  [ "$code" = 0 ] || exit "$code"
  "$packhouse" verify "$work/$at.fetched.zip" "$title"
  if ! cmp "$work/$at.zip" "$work/$at.fetched.zip" >&2; then
    echo "publish.sh: the registry serves other bytes of $title than were packed here: tell its operator" >&2
    exit 6
  fi
  at=$((at + 1))
done <"$work/titles"
