#!/usr/bin/env bash
# Plays anything that ffmpeg can read, a stream from the net for example, into the live call.
set -euo pipefail
source=${1:?usage: say-media.sh FILE-OR-URL}
options=(--attach --direction in --rate 16000)
[ -z "${CALL:-}" ] || options+=(--call "$CALL")

ffmpeg -nostdin -loglevel error -i "$source" -vn -f s16le -ar 16000 -ac 1 pipe:1 | dialtone call listen "${options[@]}"
