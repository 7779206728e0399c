"""What became of it: advice that depends on the rest of the call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from devkit.sessions.lines import Line

from .bands import DROPPED, TURN_LOST, Band
from .connections import Connection, Outage
from .finalizes import Finalize
from .happened import Severity
from .numbers import length, many
from .remedies import Advice
from .turns import Turn

_BOUNDS = ("finalize_timeout_ms", "final_timeout_ms")
_CAME_LATE = Advice(
    "A finalize ran into its bound",
    "The service took longer than the bound; a text came afterwards. A larger"
    " bound waits for it, a smaller one answers sooner.",
    _BOUNDS,
)
_CAME_EARLY = Advice(
    "A finalize ran into its bound, and took the text so far",
    "The service took longer than the bound. A larger bound waits for its"
    " last word.",
    _BOUNDS,
)
_NEVER_CAME = Advice(
    "A finalize ran into its bound, and no text came afterwards",
    "What was asked for had no text before the log ends. If a larger bound does"
    " not help, try another model or endpoint.",
    (*_BOUNDS, "model", "fallbacks"),
)
_ANSWERED = Advice(
    "The end of the call was not transcribed",
    "asr_finalize was sent and answered, but the service had no text by then."
    " Raise the bound of the finalize, or give the stop more time; if it goes"
    " on, try another model or endpoint.",
    ("finalize_timeout_ms", "stop_timeout_ms", "model", "fallbacks"),
)
_NOT_AWAITED = Advice(
    "The end of the call was not transcribed",
    "asr_finalize was sent, and the call stopped before its"
    " asr_finalize_end: wait for that, or give the stop more time.",
    ("stop_timeout_ms",),
)
_OUTAGE = Advice(
    "There was no connection",
    "What was said meanwhile was kept and sent again afterwards; its text came"
    " late. A second endpoint shortens it.",
    ("fallbacks", "fallback_after_ms"),
)
_LOST = Advice(
    "There was no connection, and audio was lost",
    "Not all of what was said meanwhile could be kept. Raise the bound of the"
    " buffer, or name a second endpoint to take over.",
    ("max_buffer_ms", "fallbacks", "fallback_after_ms"),
)
_TO_THE_END = Advice(
    "There was no connection any more",
    "What was said after it has no text: the call ended before there was"
    " another one.",
    ("fallbacks", "fallback_after_ms"),
)
_GIVEN_UP = Advice(
    "There was no connection any more: the call had been given up",
    "What was said after it has no text. Its reason is the fatal error;"
    " update_configs can revive a call.",
)
_REVIVED = Advice(
    "The call was given up, and went on later",
    "Nothing was connected in between. Its reason is the fatal error.",
)
_SLOW_START = Advice(
    "The first connection took long",
    "Texts of the first words came late. Connect before the caller speaks"
    " (the default), or from nearer to the service.",
    ("auto_connect", "base_url"),
)
_NEVER = Advice(
    "There never was a connection",
    "See the errors; nothing could be transcribed.",
    ("base_url", "api_key"),
)
#: A shorter first connection is nothing to speak of, in ms.
_SLOW_MS = 2000
#: Nobody notices that a shorter time passed without a connection, in ms.
_LONG_MS = 500


@dataclass(frozen=True)
class Aftermath:
    """The parts of the call that tell how things went on; ``fatal`` are the
    times of fatal errors (ms of the log)."""

    turns: list[Turn]
    finalizes: list[Finalize]
    connections: list[Connection]
    bands: list[Band]
    fatal: list[float]

    def of_error(self, message: str, t: float) -> Advice | None:
        """What to do about an error at ``t``; None: its text is enough."""
        asked = [each for each in self.finalizes if each.asked_t <= t]
        if "no final result within" in message and asked:
            return self._of_bound(asked[-1], t)
        if "the call was stopped before" in message:
            lost = DROPPED.search(message)
            start = float(lost[2]) if lost else 0.0
            about = [each for each in asked if start < each.asked_ms]
            if about:
                answered = about[-1].answered_t is not None
                return _ANSWERED if answered else _NOT_AWAITED
        return None

    def _of_bound(self, asked: Finalize, t: float) -> Advice:
        finals = [
            turn
            for turn in self.turns
            if turn.final is not None
            and turn.final.t >= asked.asked_t
            and turn.start_ms < asked.asked_ms
        ]
        if any(
            turn.final is not None and turn.final.t >= t and not turn.early
            for turn in finals
        ):
            return _CAME_LATE
        early = any(turn.early for turn in finals)
        return _CAME_EARLY if early else _NEVER_CAME

    def of_outage(self, one: Outage) -> tuple[Severity, Advice, str] | None:
        """What to tell of it, if anything."""
        lost = sum(
            band.end_ms - band.start_ms
            for band in self.bands
            if band.kind == "dropped" and _is_of(band, one)
        )
        text = f"for {one.wall_ms / 1000:.1f} s"
        if one.failed:
            text += f", {many(one.failed, 'attempt')} failed"
        if one.reason:
            text += f": {one.reason}"
        if lost:
            text += f"; {length(lost)} of audio were lost"
        if one.never:
            return "bad", _NEVER, text
        if self._is_given_up(one):
            return "bad", _GIVEN_UP if one.to_end else _REVIVED, text
        if lost:
            return "bad", _TO_THE_END if one.to_end else _LOST, text
        if one.first:
            slow = one.wall_ms > _SLOW_MS or one.failed
            return ("info", _SLOW_START, text) if slow else None
        # What broke off is told by its error; this is about the wait.
        if one.wall_ms < _LONG_MS:
            return None
        return "warn", _TO_THE_END if one.to_end else _OUTAGE, text

    def _is_given_up(self, one: Outage) -> bool:
        """There was a fatal error since the connection before it."""
        opened = (each.opened_t for each in self.connections)
        since = max((t for t in opened if t <= one.start_t), default=0.0)
        return any(since <= t <= one.end_t for t in self.fatal)


def _is_of(band: Band, outage: Outage) -> bool:
    """Most of it came meanwhile, and was not lost for a turn's sake."""
    if band.text == TURN_LOST:
        return False
    start = max(band.start_ms, outage.start_ms)
    end = min(band.end_ms, outage.end_ms)
    return end - start > (band.end_ms - band.start_ms) / 2


def fatal_errors(lines: Iterable[Line]) -> list[float]:
    """When they were told, in ms of the log."""
    return [
        line.t
        for line in lines
        if line.kind == "error" and line.fields.get("code") == -1000
    ]
