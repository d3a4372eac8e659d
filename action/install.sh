#!/usr/bin/env bash
# Finds the packhouse program for an action: the one that `binary-path` names, or the one of the release that this commit was
# made for, which is downloaded and must have the SHA-256 that stands in binaries.txt. Its path becomes the output `path`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
docs=https://github.com/packhouse/packhouse/blob/main/docs/errors
# Where releases are; a mirror will do, since every program is checked.
releases=${PACKHOUSE_RELEASES:-https://github.com/packhouse/packhouse/releases/download}

# fail CODE EXIT MESSAGE FIX: in the log, as an annotation and in the summary.
fail() {
  printf 'error: %s\nhint: %s\n  see: %s/%s.md\n' "$3" "$4" "$docs" "$1" >&2
  printf '::error title=packhouse%%3A %s::%s%%0Ahint: %s\n' "$1" "${3//%/%25}" "${4//%/%25}"
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    # Backticks are Markdown's here.
    # shellcheck disable=SC2016
    printf '### Packhouse stopped: `%s`\n\n%s.\n\n**To mend it:** %s.\n\n[More about `%s`](%s/%s.md)\n' \
      "$1" "$3" "$4" "$1" "$docs" "$1" >> "$GITHUB_STEP_SUMMARY"
  fi
  exit "$2"
}

done_with() {
  printf 'path=%s\n' "$1" >> "$GITHUB_OUTPUT"
  exit 0
}

if [ -n "${INPUT_BINARY_PATH:-}" ]; then
  [ -x "$INPUT_BINARY_PATH" ] || fail bad-input 2 "the input \`binary-path\` is no program that can be run" \
    "change the line \`binary-path:\` below \`with:\`: write the absolute path of an executable file"
  done_with "$INPUT_BINARY_PATH"
fi

case "${RUNNER_OS:-}-${RUNNER_ARCH:-}" in
  Linux-X64) target=x86_64-unknown-linux-musl ;;
  Linux-ARM64) target=aarch64-unknown-linux-musl ;;
  macOS-X64) target=x86_64-apple-darwin ;;
  macOS-ARM64) target=aarch64-apple-darwin ;;
  Windows-X64) target=x86_64-pc-windows-msvc ;;
  *) fail bad-input 2 "there is no packhouse for ${RUNNER_OS:-this system} on ${RUNNER_ARCH:-this processor}" \
    "build it, and name it in the line \`binary-path:\` below \`with:\`" ;;
esac
row=$(awk -v target="$target" '!/^#/ && $2 == target { print; exit }' "$here/binaries.txt")
[ -n "$row" ] || fail bad-input 2 "this commit of the action names no program for $target" \
  "use a commit that is tagged \`action-v...\`, or name a program in the line \`binary-path:\`"
read -r version _ expected file <<< "$row"

folder=$(mktemp -d "${RUNNER_TEMP:-/tmp}/packhouse-XXXXXX")
program=$folder/$file
case $releases in
  http://127.0.0.1:*) protocols='=http' ;; # this machine
  *) protocols='=https' ;;
esac
curl --silent --show-error --fail --location --proto "$protocols" --retry 5 --retry-connrefused --max-time 300 \
  --output "$program" "$releases/v$version/$file" ||
  fail registry-unreachable 7 "packhouse $version could not be downloaded from $releases" "run the job again"
if command -v sha256sum > /dev/null; then
  actual=$(sha256sum "$program")
else
  actual=$(shasum -a 256 "$program")
fi
actual=${actual#\\} # marks a path that had to be escaped, as on Windows
actual=${actual%% *}
if [ "$actual" != "$expected" ]; then
  rm -rf "$folder"
  fail binary-mismatch 6 "packhouse $version for $target has the SHA-256 $actual, expected $expected" \
    "do not use it, and tell the maintainers of Packhouse; nothing of it was run"
fi
# Which workflow built it is attested as well; asking takes GitHub itself and its own program.
if [ "${GITHUB_SERVER_URL:-}" = https://github.com ] && [ "$releases" != "${PACKHOUSE_RELEASES:-}" ] &&
  [ -n "${GH_TOKEN:-}" ] && command -v gh > /dev/null; then
  if ! said=$(gh attestation verify "$program" --repo packhouse/packhouse \
    --signer-workflow packhouse/packhouse/.github/workflows/release.yml 2>&1); then
    printf '%s\n' "$said" >&2
    # That it could not be asked says nothing about the program, whose SHA-256 is right.
    if printf '%s' "$said" | grep -qiE 'HTTP [45][0-9][0-9]|rate limit|dial tcp|timeout|connection|gh auth login|unknown command'; then
      echo "::warning title=packhouse::the attestation of packhouse $version could not be asked for; its SHA-256 is right"
    else
      fail binary-mismatch 6 "packhouse $version for $target has the right SHA-256, but no attestation of its release" \
        "tell the maintainers of Packhouse; or name a program in the line \`binary-path:\`"
    fi
  fi
fi
chmod +x "$program"
done_with "$program"
