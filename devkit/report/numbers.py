"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def clock(ms: float) -> str:
    """A place in the call: ``0:03.2``, ``1:02:03.4``."""
    tenths = round(ms / 100)
    seconds, tenth = divmod(tenths, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}.{tenth}"
    return f"{minutes}:{seconds:02}.{tenth}"


def length(ms: float | None) -> str:
    """How long something took: ``85 ms``, ``3.2 s``, ``2 min 5 s``."""
    if ms is None:
        return "–"
    if ms < 99.5:
        return f"{ms:.0f} ms"
    if ms < 9950:
        return f"{ms / 1000:.2f} s"
    if ms < 99_950:
        return f"{ms / 1000:.1f} s"
    seconds = round(ms / 1000)
    minutes, seconds = divmod(seconds, 60)
    if minutes < 120:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def dollars(usd: float | None) -> str:
    """An estimate: ``$0.0125``; – for none."""
    if usd is None:
        return "–"
    return f"${usd:.4f}" if usd < 1 else f"${usd:,.2f}"


def many(count: int, one: str, more: str = "") -> str:
    """``1 turn``, ``2 turns``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


#: What the page's template calls them.
FILTERS: Mapping[str, Any] = {
    "clock": clock,
    "length": length,
    "dollars": dollars,
    "many": many,
    "percent": percent,
}
