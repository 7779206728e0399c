"""How a call went, in one or two sentences."""

from __future__ import annotations

from .numbers import length, many
from .session import Session
from .summary import Summary


def verdict_of(session: Session) -> str:
    """The most important things first: was anything lost, did it go on, how
    fast was it."""
    summary = session.summary
    lost = session.lost_ms
    said = []
    if summary.revived:
        after = " after an update" if session.changes_ms else ""
        said.append(f"The call was given up, and went on{after}.")
    elif summary.fatal:
        said.append("The call was given up.")
    if not session.timeline.total_ms:
        said.append("No audio came.")
    elif lost:
        said.append(f"{length(lost)} of audio have no text.")
    elif summary.turns:
        said.append("No audio was lost.")
    else:
        said.append("No text came.")
    said.append(_connections(summary, session))
    times = summary.final_after
    if times.p50 is not None:
        said.append(
            f"Half of the texts were final within {length(times.p50)} of the"
            f" end of speech, 95 % within {length(times.p95)}."
        )
    return " ".join(filter(None, said))


def _connections(summary: Summary, session: Session) -> str:
    counters = summary.counters
    count = session.reconnects
    if not count:
        return ""
    text = f"There {'was' if count == 1 else 'were'} {many(count, 'reconnect')}"
    again = counters["replayed_ms"]
    return f"{text}; {length(again)} were sent again." if again else f"{text}."
