"""What the soak over sockets does to the server, by name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from typing import Any

from devkit.script_audio import word_text
from devkit.server import Faults, LocalServer

#: What happens to items and handshakes by chance, all through a call.
CHANCES = {
    "duplicate_completed": "p:0.05",
    "swapped_completed": "p:0.05",
    "failed": "p:0.01",
    "never_completed": "p:0.002",
    "slow_completed": "p:0.02",
    "missing_committed": "p:0.01",
    "late_delta": "p:0.05",
    "wrong_item_id": "p:0.002",
    "repeated_speech_stopped": "p:0.05",
    "drop_after_commit": "p:0.02",
    "server_error": "p:0.02",
    "unknown_events": "p:0.1",
    "slow_handshake": "p:0.1",
}
#: How the schedule refuses connections for a moment, by name.
_REFUSALS: dict[str, dict[str, Any]] = {
    "refuse_503": {"http_status": 503},
    "refuse_429": {"http_status": 429},
    "reset_handshake": {"http_status": None},
    "rate_limit_error": {"error": "rate_limit_exceeded"},
    "refused_timed": {"http_status": 429, "retry_after": 1},
}
#: Detectors that freeze, as `devkit.server.Faults` names them.
_FREEZES = ("frozen_detector", "frozen_in_turn", "frozen_after_commit")
#: What the server does for a while: the faults, and the longest time in s.
_SPELLS: dict[str, tuple[dict[str, Any], float]] = {
    "failing_timed": ({"failed": "always", "failed_retry_s": 0.4}, 1.5),
    "failing_untimed": ({"failed": "always"}, 1.5),
    "death_by_audio": ({"drop_after_audio_ms": 6000}, 6.0),
    "death_by_messages": ({"drop_after_messages": 60}, 6.0),
}
_WELL = {
    "failed": CHANCES["failed"],
    "failed_retry_s": 0.0,
    "drop_after_audio_ms": None,
    "drop_after_messages": None,
}
#: Faults of connections by chance and by time.
BY_TIME = (
    "drop",
    "close",
    "expire",
    "refuse_503",
    "refuse_429",
    "unreachable",
    "freeze",
    "reset_handshake",
    "rate_limit_error",
)
#: How the first of two services is away for seconds; the last three are
#: refusals for good.
AWAY = "away"
_AWAY: tuple[dict[str, Any], ...] = (
    {},
    {"http_status": 503},
    {"http_status": 401},
    {"error": "insufficient_quota"},
    {"error": "model_not_found"},
)
#: What the caller does, not the server.
BY_CALLER = ("gap", "steady_sound", "long_silence", "stop")
#: Everything that the schedule does, by name.
SCHEDULED = (
    *BY_TIME,
    *_FREEZES,
    *_SPELLS,
    "refused_timed",
    "death_by_word",
    AWAY,
    *BY_CALLER,
)


def by_chance(seed: int, names: Collection[str]) -> Faults:
    """What the server does by chance in a call."""
    chances: dict[str, Any] = {name: CHANCES[name] for name in names}
    return Faults(
        seed=seed,
        slow_completed_ms=300,
        slow_handshake_ms=300,
        slow_session_updated_ms=20,
        **chances,
    )


class Strikes:
    """Lets faults happen to one server; what lasts ends a little later."""

    def __init__(self, server: LocalServer, rng: random.Random) -> None:
        self._server = server
        self._rng = rng
        self._later: list[asyncio.TimerHandle] = []
        #: The word whose sound kills, if there is one.
        self.deadly: int | None = None

    def strike(self, name: str, word: int) -> None:
        """``word`` is one of those that are just being said."""
        server = self._server
        short = self._rng.uniform(0.02, 0.4)
        if name == "expire":
            server.expire_sessions()
            return
        if name == "freeze":
            server.freeze()
            self._after(2.5, server.thaw)
            return
        if name in _FREEZES:
            server.freeze_detector(name)
            return
        if name in _SPELLS:
            faults, longest = _SPELLS[name]
            server.inject(**faults)
            spell = self._rng.uniform(0.2, longest)
            self._after(spell, lambda: server.inject(**_WELL))
            if name.startswith("failing"):
                return
        elif name == "death_by_word":
            self.deadly = word
            server.inject(drop_text=word_text(word))
            return
        elif name in _REFUSALS:
            server.refuse(**_REFUSALS[name])
            wish = _REFUSALS[name].get("retry_after", short)
            self._after(wish, lambda: server.refuse(False))
        elif name == "unreachable":
            server.stop_listening()
            self._after(short, server.start_listening)
        elif name == AWAY:
            self._go_away(self._rng.choice(_AWAY))
        server.drop_connections(abort=name != "close")

    def _go_away(self, refusal: dict[str, Any]) -> None:
        """As it says, or there is nobody who would refuse."""
        server, spell = self._server, self._rng.uniform(1, 5)
        if refusal:
            server.refuse(**refusal)
            self._after(spell, lambda: server.refuse(False))
        else:
            server.stop_listening()
            self._after(spell, server.start_listening)

    def spare(self) -> None:
        """No word kills any more."""
        self.deadly = None
        self._server.inject(drop_text="")

    def calm(self) -> None:
        """All is well from now on, but for sessions that are frozen."""
        for timer in self._later:
            timer.cancel()
        self._later.clear()
        self.spare()
        server = self._server
        server.thaw()
        server.refuse(False)
        server.start_listening()
        server.inject(**{**_WELL, **dict.fromkeys(CHANCES, "never")})

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._later.append(loop.call_later(seconds, work))
