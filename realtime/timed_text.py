"""Words, and what speakers said, with their times: where a service tells them.

It counts the ms of the audio that its session was sent; in here that becomes
samples of the call, and for the user ms of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .events import MAX_TEXT, ServerEvent, clean_text, clean_word
from .results import TimedText

#: A turn of ten minutes has about 2000 words; nobody says more than 30 in a
#: second, but where it is very short.
MAX_TIMED, _MAX_A_SECOND, _MAX_AT_ONCE = 5000, 30, 64


@dataclass(frozen=True)
class Timed:
    """Text from ``start`` to ``end``, in samples of the call."""

    text: str
    start: int
    end: int
    speaker: str = ""


def timed_in(
    event: ServerEvent,
    name: str,
    position_of_ms: Callable[[int], int],
    seconds: float,
) -> tuple[Timed, ...]:
    """The entries of the list ``name`` that have a text and both times; none
    where they are more than anybody says in so many seconds."""
    entries, found, letters = event.objects(name), [], 0
    if len(entries) > min(MAX_TIMED, _MAX_AT_ONCE + _MAX_A_SECOND * seconds):
        return ()
    for fields in entries:
        entry = ServerEvent(fields)
        text = clean_text(entry.text("text").strip())
        start, end = entry.position_ms("start_ms"), entry.position_ms("end_ms")
        if text and start is not None and end is not None:
            letters += len(text)
            speaker = clean_word(fields.get("speaker"))
            # What begins where it ends may lie behind skipped silence.
            stop = max(start, end - 1)
            found.append(
                Timed(
                    text, position_of_ms(start), position_of_ms(stop), speaker
                )
            )
    return tuple(found) if letters <= MAX_TEXT else ()


def within(
    timed: tuple[Timed, ...], begin: int, end: int, rate: int
) -> tuple[TimedText, ...]:
    """The same in ms, inside of ``begin`` to ``end`` (in ms) and in order."""
    shown = []
    last = begin
    for entry in timed:
        start = min(max(entry.start * 1000 // rate, last), end)
        stop = min(max(entry.end * 1000 // rate, start), end)
        last = start
        shown.append(TimedText(entry.text, start, stop - start, entry.speaker))
    return tuple(shown)
