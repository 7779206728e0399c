"""What each call says, and when: read by the feed and by the service.

Needs the standard library alone: the environments of others' clients have
what those need.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

RATE = 16_000
FRAME_MS = 10
#: Bytes of a frame.
FRAME = RATE * FRAME_MS // 1000 * 2
#: Silence after which the service ends a turn, as server_vad does; also the
#: default of the local detector.
SILENCE_MS = 500


def now_us() -> int:
    """Microseconds of a clock that all processes of the machine share."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True)
class Plan:
    """``track``: a file of PCM16 at 16 kHz, which goes round; ``utterances``:
    where somebody speaks in it, in ms; ``starts``: where each call begins in
    it, in ms; ``seconds``: how long each call is."""

    track: str
    utterances: list[tuple[int, int]]
    starts: list[int]
    seconds: int

    @classmethod
    def read(cls, path: Path) -> Plan:
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    def said(self, call: int) -> list[tuple[int, int]]:
        """Where the call's audio has speech, in ms from its first frame."""
        length = Path(self.track).stat().st_size // FRAME * FRAME_MS
        start, end = self.starts[call], self.seconds * 1000
        found = [
            (max(first + lap - start, 0), last + lap - start)
            for lap in range(0, start + end, length)
            for first, last in self.utterances
        ]
        return [(a, b) for a, b in found if a < end and b > 0]
