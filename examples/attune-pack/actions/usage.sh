#!/bin/sh
# One line of JSON per disk: where it is mounted and how full it is.
set -eu
df -P ${1:+"$1"} | awk 'NR > 1 {
    sub("%", "", $5)
    printf "{\"mount\": \"%s\", \"percent\": %d}\n", $6, $5
}'
