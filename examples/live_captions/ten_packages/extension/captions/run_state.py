"""When the captions are complete and the app may end.

If the connection is down at the end of the audio, the ASR extension still
holds some: the app waits until it is up again and no more text comes.
"""

import re
from dataclasses import dataclass
from typing import Any

FATAL = -1000
# Longer than the transcription of a replayed turn takes.
_SETTLED_S = 5.0


#: As the ASR extension tells of audio without a text.
_GIVEN_UP = re.compile(r"(?:audio dropped|; given up): (\d+) ms ")


@dataclass
class RunState:
    """Follows one run by its messages; times are monotonic seconds."""

    wait_s: float
    lost: bool = False
    errors: int = 0
    #: Audio that nobody will transcribe any more, in ms.
    given_up_ms: int = 0
    #: How fast the source really was.
    speed: float | None = None
    failed: str | None = None
    _lost_at: float = 0.0
    _done_at: float | None = None
    _finalized: bool = False
    _settling: bool = False
    _active_at: float = 0.0

    def message(self, name: str, body: dict[str, Any], now: float) -> bool:
        """Take a message in; True if a lost connection is up again."""
        was_lost = self.lost
        up = name == "metrics" and "connect_delay" in body.get("metrics", {})
        if name == "source_error":
            self.failed = name
        elif name == "source_progress" and body.get("done"):
            self._done_at = now
            self.speed = body.get("speed")
        elif name == "asr_finalize_end":
            self._finalized, self._settling = True, self.lost
        elif name == "error":
            self.errors += 1
            if not self.lost:
                self._lost_at = now
            self.lost = True  # perhaps not, but what comes next tells
            given_up = _GIVEN_UP.search(str(body.get("message")))
            self.given_up_ms += int(given_up[1]) if given_up else 0
            if body.get("code") == FATAL:
                self.failed = "fatal_error"
        elif name == "asr_result" or up:
            self.lost, self._active_at = False, now
        return was_lost and up

    def lost_for_s(self, now: float) -> float:
        """How long nothing has come since an error; 0 where all is well."""
        return now - self._lost_at if self.lost else 0.0

    def ending(self, now: float, *, interim: bool = False) -> str | None:
        """Why the run is over; `interim`: text on display is not final."""
        if self.failed or self._done_at is None:
            return self.failed
        late = now >= self._done_at + self.wait_s
        if self.lost or not self._finalized:
            why = "disconnected" if self.lost else "finalize_timeout"
            return why if late else None
        quiet = not interim and now >= self._active_at + _SETTLED_S
        return "finished" if late or quiet or not self._settling else None
