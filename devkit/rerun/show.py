"""`--show`: a call as a line for each turn and each thing that happened."""

from __future__ import annotations

from pathlib import Path

from devkit.report import fields
from devkit.report.numbers import clock, length, many
from devkit.report.session import Session, Wishes, read_session
from devkit.report.turns import Turn
from devkit.shown import one_line

_LEGEND = """
place: where in the audio it was said, and how long it took. heard: what the
local detector took for speech in it, if it is the one. Times after the end of
the speech, by the wall clock: committed (the turn was closed), text (its final
came); first text is counted from the begin. ! happened then."""
_COMMITTED = "input_audio_buffer.committed"


def show(log: Path) -> str:
    """The call in ``log``; raises `RecordingError`."""
    session = read_session(log, Wishes(audio=False))
    committed = _committed(session)
    rows = [
        (turn.start_ms, _turn(session, turn, committed))
        for turn in session.turns
    ]
    rows += [
        (place.at_ms, _happening(what.advice.title, place.text))
        for what in session.happenings
        for place in what.places
    ]
    rows += [
        (one.opened_ms, f"connection {one.number} is open")
        for one in session.connections
    ]
    lines = [
        f"{clock(at_ms):>9}  {one_line(text)}"
        for at_ms, text in sorted(rows, key=lambda row: row[0])
    ]
    counts = ", ".join(
        (
            many(len(session.turns), "turn"),
            many(len(session.connections), "connection"),
            f"{session.lost_ms / 1000:.1f} s lost",
        )
    )
    head = f"{session.started}, {length(session.timeline.total_ms)} of audio"
    return "\n".join([f"{one_line(head)}: {counts}", *lines, _LEGEND])


def _committed(session: Session) -> dict[str, float]:
    """When each item was closed, in ms of the log."""
    found: dict[str, float] = {}
    for line in session.recording.lines:
        event = fields.part(line.fields, "event")
        if line.kind == "received" and event.get("type") == _COMMITTED:
            found.setdefault(fields.text(event.get("item_id")), line.t)
    return found


def _turn(session: Session, turn: Turn, committed: dict[str, float]) -> str:
    heard_ms = sum(
        max(0.0, min(end, turn.end_ms) - max(start, turn.start_ms))
        for start, end in session.speech
    )
    parts = [f"turn {turn.number}, {length(turn.duration_ms)}"]
    if session.speech:
        parts.append(f"heard {length(heard_ms)}")
    closed = committed.get(turn.item_id)
    ended = session.timeline.came_at(turn.end_ms)
    if closed is not None and ended is not None:
        parts.append(f"committed {_signed(closed - ended)}")
    if turn.first_after_ms is not None:
        interims = many(turn.interim_count, "interim")
        parts.append(f"first text {_signed(turn.first_after_ms)} ({interims})")
    if turn.final_after_ms is not None:
        parts.append(f"text {_signed(turn.final_after_ms)}")
    state = "" if turn.state == "final" else f" [{turn.state}]"
    return f"{', '.join(parts)}{state}: {turn.text or '-'}"


def _signed(ms: float) -> str:
    return f"{'-' if ms < 0 else '+'}{length(abs(ms))}"


def _happening(title: str, text: str) -> str:
    return f"! {title}: {text}" if text else f"! {title}"
