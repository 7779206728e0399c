"""What a log tells that somebody should know."""

from __future__ import annotations

from collections.abc import Iterator

from devkit.sessions.lines import Line

from . import fields
from .advice import advice_on
from .aftermath import Aftermath
from .bands import DROPPED
from .commits import Commit
from .connections import Outage
from .happened import Happenings, Severity
from .remedies import Advice
from .timeline import Timeline


def add_log(
    happenings: Happenings, lines: list[Line], aftermath: Aftermath
) -> None:
    """What single lines tell."""
    for line in lines:
        for severity, advice, text in _of_line(line, aftermath):
            lost = DROPPED.search(text) if line.kind == "error" else None
            # Where the audio is that was lost, not where that was told.
            at_ms = max(0.0, float(lost[2])) if lost else None
            happenings.add(severity, advice, line.t, text, at_ms)


def _of_line(
    line: Line, aftermath: Aftermath
) -> Iterator[tuple[Severity, Advice, str]]:
    value = line.fields
    if line.kind == "error":
        message = fields.text(value.get("message"))
        fatal = value.get("code") == -1000
        lost = fatal or "dropped" in message or "given up" in message
        advice = aftermath.of_error(message, line.t)
        advice = advice or advice_on(message, fatal)
        yield "bad" if lost else "warn", advice, message
    elif line.kind == "dump_failed":
        yield "warn", _DUMP_FAILED, fields.text(value.get("reason"))
    elif line.kind == "config":
        yield "info", _CONFIG, ""
    elif line.kind == "received":
        event = fields.part(value, "event")
        kind = event.get("type")
        error = fields.part(event, "error")
        if str(kind).endswith("input_audio_transcription.failed"):
            yield "warn", _FAILED, fields.text(error.get("message"))
    elif "cut" in value and line.kind == "result":
        yield "info", _CUT, ""


_DUMP_FAILED = Advice(
    "The dump failed",
    "What came later is not on this page: make room on the disk, or choose"
    " another place.",
    ("dump_path",),
)
_CONFIG = Advice(
    "The configuration changed",
    "update_configs did that; what is said on this page about settings is"
    " how the call began.",
)
_FAILED = Advice(
    "The service failed at a turn, which was sent again",
    "If its text is there, nothing is to be done. If it happens often, try"
    " another model or endpoint.",
    ("model", "fallbacks"),
)
_CUT = Advice(
    "A result was too long for the log", "Its text is not on this page."
)
_EARLY = Advice(
    "A turn ended early, with its text so far",
    "Its time was up before the service had the last word. A larger bound"
    " waits longer.",
    ("finalize_timeout_ms", "final_timeout_ms"),
)
_EMPTY = Advice(
    "A turn had no text",
    "The detector heard something that the service did not take for speech."
    " If there was speech, listen to it; if not, a higher threshold leaves it"
    " out.",
    ("turn_detection.threshold",),
)
_NO_FINAL = Advice(
    "A turn has no final",
    "The log ends before its last word, or the service never sent it.",
    ("finalize_timeout_ms", "stop_timeout_ms"),
)
_UNHEARD = Advice(
    "Turns were committed and never got a text",
    "The service took them for turns, and no text of them was passed on: it"
    " did not send one, or not before the call or the log ended. If it goes"
    " on, try another model or endpoint.",
    ("finalize_timeout_ms", "stop_timeout_ms", "model", "fallbacks"),
)
_AT_BOUND = Advice(
    "A finalize was answered at its bound",
    "The service had not answered by then. A larger bound waits longer.",
    ("finalize_timeout_ms",),
)
_UNANSWERED = Advice(
    "A finalize has no answer in the log",
    "The log ends before; or the call was stopped while it waited.",
)
_SILENT = Advice(
    "The service was silent while somebody spoke",
    "If that happens often, try another model or endpoint.",
    ("model", "fallbacks"),
)
#: From where on a service that says nothing while somebody speaks is told, ms.
_SILENT_MS = 8000
#: So many such times are looked at.
_MOST_SILENCES = 200


def add_call(
    happenings: Happenings,
    aftermath: Aftermath,
    outages: list[Outage],
    commits: list[Commit],
) -> None:
    """What only the whole call tells."""
    for turn in aftermath.turns:
        t = turn.final.t if turn.final else 0.0
        text = f"turn {turn.number}"
        if turn.early:
            happenings.add("warn", _EARLY, t, text, turn.start_ms)
        elif turn.without:
            # What was given up has an error of its own.
            if turn.without == "without text":
                happenings.add("info", _EMPTY, t, text, turn.start_ms)
        elif turn.final is None:
            happenings.add("warn", _NO_FINAL, t, text, turn.start_ms)
    for one in outages:
        told = aftermath.of_outage(one)
        if told is not None:
            severity, advice, text = told
            happenings.add(severity, advice, one.start_t, text)
    for commit in commits:
        text = ""
        if commit.answered_t is not None:
            text = "the service sent its text, which was not passed on"
        happenings.add("warn", _UNHEARD, commit.t, text)
    for end in aftermath.finalizes:
        if end.waited_ms is None:
            happenings.add("warn", _UNANSWERED, end.asked_t, end.name)
        elif end.at_bound:
            text = f"after {end.waited_ms / 1000:.1f} s"
            happenings.add("warn", _AT_BOUND, end.asked_t, text)


def add_silences(
    happenings: Happenings,
    lines: list[Line],
    speech: list[tuple[float, float]],
    timeline: Timeline,
) -> None:
    """Long times in which somebody spoke (``speech``: positions in ms) and
    the service said nothing."""
    last: float | None = None
    looked = 0
    for line in lines:
        if line.kind == "opened":
            last = line.t
        if line.kind != "received" or last is None:
            continue
        if line.t - last >= _SILENT_MS and looked < _MOST_SILENCES:
            looked += 1
            start, end = timeline.position(last), timeline.position(line.t)
            heard = sum(
                max(0.0, min(end, until) - max(start, since))
                for since, until in speech
            )
            if heard >= _SILENT_MS / 2:
                text = f"for {(line.t - last) / 1000:.1f} s"
                happenings.add("warn", _SILENT, last, text)
        last = line.t
