#!/usr/bin/env bash
# Plays a file into the live call. The line takes the sound at its own pace, so the script ends when it was heard.
set -euo pipefail
file=${1:?usage: say-file.sh FILE}
options=(--attach --direction in --rate 8000)
[ -z "${CALL:-}" ] || options+=(--call "$CALL")

sox -q "$file" -t raw -r 8000 -e signed-integer -b 16 -L -c 1 - | dialtone call listen "${options[@]}"
