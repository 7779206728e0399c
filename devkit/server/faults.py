"""Faults on purpose: what can go wrong, when, and with which chance.

Every fault is off by default. Chance always comes from ``seed``, one random
sequence per fault, so that faults do not disturb one another and a run can be
repeated.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated, get_type_hints

from .errors import REFUSALS

# When a counted fault strikes; see `parse_when` for the spellings.
When = str | int | bool
# Close codes below 3000 that may be sent (IANA's registry).
_CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015)}
FAILED_CODES = ("server_error", "rate_limit_exceeded")


@dataclass(frozen=True, slots=True)
class OnItems:
    """A fault that strikes some items; ``help`` says what happens to them."""

    help: str


@dataclass(frozen=True, slots=True)
class OnConnections:
    """A fault that strikes some connections."""

    help: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A number or text that a fault needs, or a fault with a place."""

    help: str


@dataclass(frozen=True)
class Faults:
    """All faults. ``When`` fields take: "never", "always" (or True), N (the
    server's N-th, so only once), "every:N", "session:N" (the N-th of each
    connection, so again after a reconnect), "p:0.1" (seeded chance).

    Items are counted as they are committed, connections as they arrive;
    both from 1. ``*_ms`` are milliseconds; ``*_audio_ms`` are milliseconds of
    appended audio on one connection, None for never. Raises ValueError that
    names the fault.
    """

    seed: Annotated[int, Setting("seed of everything left to chance")] = 0

    # --- items -----------------------------------------------------------
    duplicate_completed: Annotated[When, OnItems("completed is sent twice")] = (
        "never"
    )
    swapped_completed: Annotated[
        When,
        OnItems(
            "completed is held until the next item's was sent, at most "
            "slow_completed_ms"
        ),
    ] = "never"
    failed: Annotated[When, OnItems("they end in .failed")] = "never"
    never_completed: Annotated[
        When, OnItems("neither completed nor .failed ever comes")
    ] = "never"
    slow_completed: Annotated[
        When, OnItems("deltas and completed are late by slow_completed_ms")
    ] = "never"
    empty_transcript: Annotated[When, OnItems("the transcript is ''")] = "never"
    null_transcript: Annotated[
        When, OnItems("the transcript of completed is null")
    ] = "never"
    missing_transcript: Annotated[
        When, OnItems("completed lacks the transcript")
    ] = "never"
    missing_committed: Annotated[
        When, OnItems("the committed event is left out")
    ] = "never"
    late_delta: Annotated[When, OnItems("one more delta follows completed")] = (
        "never"
    )
    wrong_item_id: Annotated[
        When, OnItems("completed names an unknown item")
    ] = "never"
    repeated_speech_stopped: Annotated[
        When, OnItems("speech_stopped is sent twice")
    ] = "never"
    missing_usage: Annotated[When, OnItems("completed lacks usage")] = "never"
    drop_after_commit: Annotated[
        When, OnItems("TCP reset between committed and completed")
    ] = "never"
    server_error: Annotated[
        When, OnItems("a server_error follows committed")
    ] = "never"
    unknown_events: Annotated[
        When, OnItems("unknown event types and fields come along")
    ] = "never"
    failed_text: Annotated[
        str, Setting("items whose transcript contains this text fail, always")
    ] = ""
    failed_code: Annotated[
        str, Setting(f"error of .failed: {' or '.join(FAILED_CODES)}")
    ] = "server_error"
    slow_completed_ms: Annotated[
        float, Setting("delay for slow_completed and swapped_completed")
    ] = 5000
    server_error_close: Annotated[
        bool, Setting("every server_error closes the connection, code 1011")
    ] = False

    # --- connections -----------------------------------------------------
    slow_handshake: Annotated[
        When, OnConnections("the HTTP answer is late by slow_handshake_ms")
    ] = "never"
    refused: Annotated[
        When, OnConnections("the connection is refused, see refused_status")
    ] = "never"
    closed: Annotated[
        When,
        OnConnections("CLOSE with close_code in place of session.created"),
    ] = "never"
    error_for_created: Annotated[
        When,
        OnConnections(
            "an error (model_load_error) in place of session.created; the "
            "connection stays open and says no more"
        ),
    ] = "never"
    untyped_error: Annotated[
        When,
        OnConnections(
            "an object without type, only error, in place of "
            "session.created, then CLOSE 1008"
        ),
    ] = "never"
    silent_start: Annotated[
        When,
        OnConnections("session.created comes after the client's first event"),
    ] = "never"
    no_session_updated: Annotated[
        When, OnConnections("updates are obeyed, session.updated never comes")
    ] = "never"
    root_predecessor: Annotated[
        When, OnConnections("the first item's previous_item_id is 'root'")
    ] = "never"
    slow_handshake_ms: Annotated[float, Setting("delay for slow_handshake")] = (
        2000
    )
    refused_status: Annotated[
        int,
        Setting("HTTP status for refused; 101 sends refused_error, then CLOSE"),
    ] = 503
    refused_error: Annotated[str, Setting(f"one of: {', '.join(REFUSALS)}")] = (
        "rate_limit_exceeded"
    )
    close_code: Annotated[
        int, Setting("for closed: 1000..4999 that may be sent")
    ] = 1011
    close_reason: Annotated[
        str, Setting("for closed: at most 120 bytes of UTF-8")
    ] = ""
    slow_session_updated_ms: Annotated[
        float,
        Setting(
            "delay of session.updated; audio before is heard under the "
            "old settings"
        ),
    ] = 0

    # --- at a place in the audio of a connection ---------------------------
    audio_faults_on: Annotated[
        When, OnConnections("where the faults below strike")
    ] = "always"
    drop_after_audio_ms: Annotated[int | None, Setting("TCP reset")] = None
    drop_rate: Annotated[
        float, Setting("TCP resets per second of audio, by chance")
    ] = 0
    expire_after_audio_ms: Annotated[
        int | None, Setting("session_expired, then CLOSE 1001")
    ] = None
    server_error_after_audio_ms: Annotated[
        int | None, Setting("a server_error")
    ] = None
    stop_reading_after_audio_ms: Annotated[
        int | None, Setting("the server reads no more, but still sends")
    ] = None
    freeze_after_audio_ms: Annotated[
        int | None, Setting("half-open: neither reads nor sends any more")
    ] = None

    def __post_init__(self) -> None:
        for name, about in describe().items():
            value = getattr(self, name)
            try:
                if not isinstance(about, Setting):
                    parse_when(value)
                elif isinstance(value, int | float) and name != "seed":
                    _check_not_negative(value)
            except ValueError as error:
                raise ValueError(f"fault {name}: {error}") from None
        for name, allowed in (
            ("failed_code", FAILED_CODES),
            ("refused_error", REFUSALS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"fault {name}: not one of {', '.join(allowed)}"
                )
        if self.refused_status != 101 and not (
            400 <= self.refused_status <= 599
        ):
            raise ValueError("fault refused_status: neither 101 nor 400..599")
        if not (
            self.close_code in _CLOSE_CODES or 3000 <= self.close_code <= 4999
        ):
            raise ValueError("fault close_code: may not be sent")
        if len(self.close_reason.encode()) > 120:
            raise ValueError("fault close_reason: longer than 120 bytes")

    @property
    def uses_chance(self) -> bool:
        return self.drop_rate > 0 or any(
            str(getattr(self, name)).startswith("p:")
            for name, about in describe().items()
            if not isinstance(about, Setting)
        )


@cache
def describe() -> dict[str, OnItems | OnConnections | Setting]:
    """Every fault and setting by name, in the order of their definition."""
    hints = get_type_hints(Faults, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def item_fault_names() -> list[str]:
    return [n for n, about in describe().items() if isinstance(about, OnItems)]


def _check_not_negative(value: float) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{value} is negative")


def parse_when(value: When) -> tuple[str, float]:
    """Kind and number of a ``When``; raises ValueError for other spellings.

    >>> parse_when("session:2")
    ('session', 2.0)
    """
    if isinstance(value, bool):
        return ("always" if value else "never"), 0.0
    text = str(value).strip()
    if text in ("never", "always"):
        return text, 0.0
    match = re.fullmatch(r"(?:(every|session):)?(\d+)", text)
    if match and int(match[2]) > 0:
        return match[1] or "once", float(match[2])
    if text.startswith("p:"):
        chance = float(text[2:])
        if 0 <= chance <= 1:
            return "p", chance
    raise ValueError(
        f"{text!r} is none of never, always, N, every:N, session:N, p:CHANCE"
    )


def parse_fault(text: str) -> tuple[str, object]:
    """``NAME`` or ``NAME=VALUE`` from the command line, typed for Faults.

    A name alone means "always" or true. Raises ValueError that names the
    fault.
    """
    name, has_value, value = text.partition("=")
    name = name.strip().replace("-", "_")
    about = describe().get(name)
    if about is None:
        raise ValueError(f"unknown fault {name!r}")
    if not isinstance(about, Setting):
        return name, value if has_value else "always"
    kind = get_type_hints(Faults)[name]
    if kind is str:
        return name, value
    if kind is bool:
        spellings = {"": True, "true": True, "false": False}
        if value.lower() in spellings:
            return name, spellings[value.lower()]
        raise ValueError(f"fault {name}: {value!r} is not true or false")
    try:
        return name, float(value) if kind is float else int(value)
    except ValueError:
        raise ValueError(f"fault {name}: {value!r} is not a number") from None


class FaultDice:
    """Answers "does it strike now?" for one server."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sequences: dict[str, random.Random] = {}

    def strikes(
        self,
        name: str,
        when: When,
        on_server: int,
        on_connection: int | None = None,
    ) -> bool:
        """``on_server``/``on_connection``: the thing's number, from 1."""
        kind, number = parse_when(when)
        if kind == "p":
            return self._sequence(name).random() < number
        if kind == "once":
            return on_server == number
        if kind == "every":
            return on_server % number == 0
        if kind == "session":
            return (on_connection or on_server) == number
        return kind == "always"

    def drop_position_ms(self, rate: float, connection: int) -> float:
        """Where in a connection's audio chance resets it; inf for never.

        ``rate``: expected resets per second of audio.
        """
        if rate <= 0:
            return math.inf
        sequence = random.Random(f"{self._seed}:drop_rate:{connection}")
        return sequence.expovariate(rate) * 1000

    def _sequence(self, name: str) -> random.Random:
        if name not in self._sequences:
            self._sequences[name] = random.Random(f"{self._seed}:{name}")
        return self._sequences[name]
