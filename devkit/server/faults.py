"""Faults on purpose: what can go wrong, when, and with which chance.

Every fault is off by default. Chance always comes from ``seed``, one random
sequence per fault, so that faults do not disturb one another and a run can be
repeated.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, NamedTuple, get_type_hints

from .errors import REFUSALS

# When a counted fault strikes; see `parse_when` for the spellings.
When = str | int | bool
# Close codes that may be sent (below 3000: IANA's registry).
_CLOSE_CODES = {
    *range(1000, 1004),
    *range(1007, 1015),
    *range(3000, 5000),
}
#: The last one is a reason that does not pass.
FAILED_CODES = ("server_error", "rate_limit_exceeded", "invalid_request_error")


class About(NamedTuple):
    """What a fault does to some items or connections (``on``).

    ``on`` is "" for a number or text that a fault needs, and for a fault with
    a place of its own.
    """

    on: Literal["items", "connections", ""]
    help: str


# ruff: noqa: RUF009 -- each of these makes a field of its own
def _on_items(about: str) -> Any:
    return field(default="never", metadata={"about": About("items", about)})


def _on_connections(about: str, default: When = "never") -> Any:
    shown = About("connections", about)
    return field(default=default, metadata={"about": shown})


def _setting(default: Any, about: str) -> Any:
    return field(default=default, metadata={"about": About("", about)})


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

    seed: int = _setting(0, "seed of everything left to chance")

    # --- items -----------------------------------------------------------
    duplicate_completed: When = _on_items("completed is sent twice")
    swapped_completed: When = _on_items(
        "completed is held until the next item's was sent, at most "
        "slow_completed_ms"
    )
    failed: When = _on_items("they end in .failed")
    never_completed: When = _on_items(
        "neither completed nor .failed ever comes"
    )
    slow_completed: When = _on_items(
        "deltas and completed are late by slow_completed_ms"
    )
    empty_transcript: When = _on_items("the transcript is ''")
    null_transcript: When = _on_items("the transcript of completed is null")
    missing_transcript: When = _on_items("completed lacks the transcript")
    missing_committed: When = _on_items("the committed event is left out")
    late_delta: When = _on_items("one more delta follows completed")
    wrong_item_id: When = _on_items("completed names an unknown item")
    repeated_speech_stopped: When = _on_items("speech_stopped is sent twice")
    missing_usage: When = _on_items("completed lacks usage")
    drop_after_commit: When = _on_items(
        "TCP reset between committed and completed"
    )
    server_error: When = _on_items("a server_error follows committed")
    unknown_events: When = _on_items(
        "unknown event types and fields come along"
    )
    failed_text: str = _setting(
        "", "items whose transcript contains this text fail, always"
    )
    failed_code: str = _setting(
        "server_error", f"error of .failed: {' or '.join(FAILED_CODES)}"
    )
    failed_retry_s: float = _setting(
        0, "with it .failed is rate_limit_exceeded and names this time"
    )
    slow_completed_ms: float = _setting(
        5000, "delay for slow_completed and swapped_completed"
    )
    server_error_close: bool = _setting(
        False, "every server_error closes the connection, code 1011"
    )

    # --- connections -----------------------------------------------------
    slow_handshake: When = _on_connections(
        "the HTTP answer is late by slow_handshake_ms"
    )
    refused: When = _on_connections(
        "the connection is refused, see refused_status"
    )
    closed: When = _on_connections(
        "CLOSE with close_code in place of session.created"
    )
    error_for_created: When = _on_connections(
        "an error (model_load_error) in place of session.created; the "
        "connection stays open and says no more"
    )
    untyped_error: When = _on_connections(
        "an object without type, only error, in place of "
        "session.created, then CLOSE 1008"
    )
    silent_start: When = _on_connections(
        "session.created comes after the client's first event"
    )
    no_session_updated: When = _on_connections(
        "updates are obeyed, session.updated never comes"
    )
    root_predecessor: When = _on_connections(
        "the first item's previous_item_id is 'root'"
    )
    frozen_detector: When = _on_connections(
        "no event about audio any more from frozen_after_ms on; PINGs are "
        "answered"
    )
    frozen_in_turn: When = _on_connections(
        "the same, from the next speech_started on"
    )
    frozen_after_commit: When = _on_connections(
        "the same, from the next committed on"
    )
    frozen_after_ms: float = _setting(
        0, "audio of a connection before the frozen faults may strike"
    )
    slow_handshake_ms: float = _setting(2000, "delay for slow_handshake")
    refused_status: int = _setting(
        503, "HTTP status for refused; 101 sends refused_error, then CLOSE"
    )
    refused_error: str = _setting(
        "rate_limit_exceeded", f"one of: {', '.join(REFUSALS)}"
    )
    close_code: int = _setting(1011, "for closed: 1000..4999 that may be sent")
    close_reason: str = _setting("", "for closed: at most 120 bytes of UTF-8")
    slow_session_updated_ms: float = _setting(
        0,
        "delay of session.updated; audio before is heard under the "
        "old settings",
    )

    # --- at a place in the audio of a connection ---------------------------
    audio_faults_on: When = _on_connections(
        "where the faults below strike", "always"
    )
    drop_after_audio_ms: int | None = _setting(None, "TCP reset")
    drop_after_messages: int | None = _setting(
        None, "TCP reset at the client's next event after so many"
    )
    drop_text: str = _setting(
        "", "TCP reset as soon as the audio says this text"
    )
    drop_rate: float = _setting(0, "TCP resets per second of audio, by chance")
    expire_after_audio_ms: int | None = _setting(
        None, "session_expired, then CLOSE 1001"
    )
    server_error_after_audio_ms: int | None = _setting(None, "a server_error")
    stop_reading_after_audio_ms: int | None = _setting(
        None, "the server reads no more, but still sends"
    )
    freeze_after_audio_ms: int | None = _setting(
        None, "half-open: neither reads nor sends any more"
    )

    def __post_init__(self) -> None:
        for name, about in describe().items():
            value = getattr(self, name)
            try:
                if about.on:
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
        if self.refused_status not in (101, *range(400, 600)):
            raise ValueError("fault refused_status: neither 101 nor 400..599")
        if self.close_code not in _CLOSE_CODES:
            raise ValueError("fault close_code: may not be sent")
        if len(self.close_reason.encode()) > 120:
            raise ValueError("fault close_reason: longer than 120 bytes")

    @property
    def uses_chance(self) -> bool:
        return self.drop_rate > 0 or any(
            str(getattr(self, name)).startswith("p:")
            for name, about in describe().items()
            if about.on
        )


@cache
def describe() -> dict[str, About]:
    """Every fault and setting by name, in the order of their definition."""
    return {one.name: one.metadata["about"] for one in fields(Faults)}


def item_fault_names() -> list[str]:
    return [n for n, about in describe().items() if about.on == "items"]


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
    if about.on:
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
            if name not in self._sequences:
                self._sequences[name] = random.Random(f"{self._seed}:{name}")
            return self._sequences[name].random() < number
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
