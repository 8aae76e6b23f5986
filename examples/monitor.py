#!/usr/bin/env python3
"""Records the live call into a stereo WAV, and shows the level of each side once a second, until the call is over."""

import array
import math
import os
import socket
import sys
import wave

import dialtone


def level_db(samples: "array.array[int]") -> float:
    """Mean level below full scale."""
    power = sum(sample * sample for sample in samples) / max(1, len(samples))
    return 10 * math.log10(max(power, 1) / 32768**2)


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: monitor.py FILE.wav", file=sys.stderr)
        return 2
    which = {"call_id": os.environ["CALL"]} if os.environ.get("CALL") else {}
    try:
        info = dialtone.request_with("call.attach", {"role": "listener", "mix": "stereo", "rate_hz": 8000} | which)
    except dialtone.DialtoneError as problem:
        print(f"monitor: {problem}", file=sys.stderr)
        return 1
    with socket.socket(socket.AF_UNIX) as voice, wave.open(sys.argv[1], "wb") as file:
        voice.connect(info["path"])
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(info["rate_hz"])
        second = info["rate_hz"] * 4
        while data := voice.recv(second, socket.MSG_WAITALL):
            samples = array.array("h", data[: len(data) // 4 * 4])  # 16 bits, as this machine has them: little-endian
            file.writeframes(samples.tobytes())
            print(f"caller {level_db(samples[0::2]):6.1f} dB   us {level_db(samples[1::2]):6.1f} dB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
