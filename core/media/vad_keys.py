"""Keys are no speech: neither their tones nor what a detector makes of their end."""

AFTER_FRAMES = 5
"""WebRTC's detector goes on for up to 3 frames after a sound, another for a window of 32 ms."""


class KeyMask:
    """One call's. Fed with every frame, in order. The frames before a key is certain are `Endpoint.disown`'s."""

    def __init__(self) -> None:
        self._after = 0

    def speech(self, heard: bool, key: bool) -> bool:
        """Whether a frame that the detector heard, or not, is speech. key: one sounds in this frame."""
        if key:
            self._after = AFTER_FRAMES
            return False
        if not heard:
            self._after = 0
        elif self._after:
            self._after -= 1
            return False
        return heard
