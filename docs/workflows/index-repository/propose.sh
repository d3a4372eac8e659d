#!/usr/bin/env bash
# Commits what `index.py update` changed: straight to the branch, or as one pull request that later updates go into.
# Usage: propose.sh commit|pull-request NOTES   (NOTES: the file of `index.py update --notes`; needs git, and gh with a token)
set -euo pipefail
mode=$1
notes=$2
base=$(git symbolic-ref --short HEAD)
branch=packhouse-index-update

git config user.name "github-actions[bot]"
git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
mkdir -p index events # a registry may be empty
git add -A index events
if git diff --cached --quiet; then
  echo "nothing changed"
  exit
fi
{ printf 'Take in what changed in the registry\n\n'; cat "$notes"; } | git commit --quiet --file -

case $mode in
  commit)
    # Refused where somebody else pushed meanwhile: the next run begins from there.
    git push --quiet origin "HEAD:refs/heads/$base"
    ;;
  pull-request)
    # The whole difference to the base branch each time, so what an older update proposed is in it.
    git push --quiet --force origin "HEAD:refs/heads/$branch"
    if [ "$(gh pr list --head "$branch" --state open --json number --jq length)" = 0 ]; then
      gh pr create --base "$base" --head "$branch" --title "Update the index" --body-file "$notes"
    else
      gh pr edit "$branch" --body-file "$notes"
    fi
    ;;
  *) echo "propose.sh: \`$mode\` is neither commit nor pull-request" >&2; exit 2 ;;
esac
