"""What all connections of one server share."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from .admission import Policy
from .engine import Engine
from .faults import FaultDice, Faults, When
from .records import Journal, RequestRecord, SessionRecord
from .rules import Rules


@dataclass(frozen=True, slots=True)
class Refusal:
    """``status``: HTTP status 400..599, or None to refuse after HTTP 101
    with the error ``code``, or 0 to reset the TCP connection."""

    status: int | None
    code: str
    retry_after: float | None  # seconds


@dataclass
class ServerContext:
    engine: Engine
    policy: Policy
    journal: Journal
    faults: Faults
    session_seconds: float
    ping_interval: float | None  # seconds, None: never
    audio_limit_s: float | None  # seconds of audio per rolling minute
    dice: FaultDice = field(init=False)
    refusal: Refusal | None = None
    items: int = 0
    _recent_audio: deque[tuple[float, float]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.dice = FaultDice(self.faults.seed)

    @property
    def rules(self) -> Rules:
        return self.policy.rules

    def strikes(
        self, name: str, on_server: int, on_connection: int | None = None
    ) -> bool:
        when: When = getattr(self.faults, name)
        return self.dice.strikes(name, when, on_server, on_connection)

    def struck(self, record: SessionRecord | RequestRecord, name: str) -> None:
        with self.journal.change():
            record.faults.append(name)

    def refusal_on_purpose(
        self, record: SessionRecord | RequestRecord
    ) -> Refusal | None:
        """The refusal in force, or that of the fault ``refused``."""
        if self.refusal is not None:
            return self.refusal
        if not self.strikes("refused", record.number):
            return None
        self.struck(record, "refused")
        status = self.faults.refused_status
        return Refusal(
            None if status == 101 else status, self.faults.refused_error, None
        )

    def within_rate(self, seconds: float) -> bool:
        """Count audio against the limit; False if it goes beyond."""
        if self.audio_limit_s is None:
            return True
        now = time.monotonic()
        while self._recent_audio and self._recent_audio[0][0] < now - 60:
            self._recent_audio.popleft()
        used = sum(amount for _, amount in self._recent_audio)
        if used + seconds > self.audio_limit_s:
            return False
        self._recent_audio.append((now, seconds))
        return True
