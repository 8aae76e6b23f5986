#!/usr/bin/env bash
# Records both sides of the live call into a stereo WAV until the call is over: caller left, us right.
set -euo pipefail
file=${1:?usage: listen-to-wav.sh FILE.wav [SECONDS]}
options=(--mix stereo --rate 8000)
[ -z "${CALL:-}" ] || options+=(--call "$CALL")
[ -z "${2:-}" ] || options+=(--seconds "$2")

dialtone call listen "${options[@]}" | sox -q -t raw -r 8000 -e signed-integer -b 16 -L -c 2 - "$file"
