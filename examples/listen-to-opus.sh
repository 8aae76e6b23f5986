#!/usr/bin/env bash
# Records both sides of the live call as OGG Opus while it goes on: caller left, us right.
set -euo pipefail
file=${1:?usage: listen-to-opus.sh FILE.ogg [SECONDS]}
options=(--mix stereo --rate 16000)
[ -z "${CALL:-}" ] || options+=(--call "$CALL")
[ -z "${2:-}" ] || options+=(--seconds "$2")

dialtone call listen "${options[@]}" |
  ffmpeg -nostdin -loglevel error -f s16le -ar 16000 -ac 2 -i pipe:0 -c:a libopus -b:a 32k -y "$file"
