"""A call in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from devkit.sessions.lines import Line

from . import fields
from .prices import price
from .turns import Turn


@dataclass(frozen=True)
class Spread:
    """How some times in ms spread; None where there are none."""

    count: int
    p50: float | None
    p95: float | None


def spread_of(times: list[float | None]) -> Spread:
    """Half of the times, and 95 of 100, are no longer than these."""
    known = sorted(time for time in times if time is not None)
    if not known:
        return Spread(0, None, None)

    def at(share: float) -> float:
        return known[max(0, math.ceil(share * len(known)) - 1)]

    return Spread(len(known), at(0.5), at(0.95))


@dataclass(frozen=True)
class Usage:
    """What the service says it used: seconds of audio, or tokens; and how
    many turns it said that of."""

    turns: int = 0
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Summary:
    """``billed_ms`` is what the service counts, or else the audio of turns
    with a text (``billed_by`` says which); ``cost`` in US dollars is None
    where a model has no known price (``unpriced``)."""

    turns: int
    words: int
    final_after: Spread
    first_after: Spread
    counters: Mapping[str, int]
    has_counters: bool
    errors: int
    fatal: int
    #: The call was given up, and had a session again later.
    revived: bool
    usage: Usage
    billed_ms: float
    billed_by: str
    cost: float | None
    prices: Mapping[str, float]
    unpriced: tuple[str, ...]


_COUNTERS = (
    "reconnects",
    "endpoint_switches",
    "replayed_ms",
    "dropped_ms",
    "billed_ms",
    "saved_ms",
    "late_finals",
    "late_final_words",
)


def summary_of(
    lines: list[Line],
    turns: list[Turn],
    model: str,
    own_prices: Mapping[str, float],
) -> Summary:
    """``model``: the configured one (or its family), for turns that do not
    say theirs."""
    last: Mapping[str, object] = {}
    errors = fatal = 0
    went_on = False
    for line in lines:
        if line.kind == "counters":
            last = fields.part(line.fields, "counters")
        elif line.kind == "error":
            errors += 1
            if line.fields.get("code") == -1000:
                fatal, went_on = fatal + 1, False
        elif line.kind in ("ready", "result"):
            went_on = True
    counters = {name: fields.count(last.get(name)) for name in _COUNTERS}
    usage = _usage(lines)
    spoken = {turn.model or model: 0.0 for turn in turns if turn.final}
    for turn in turns:
        if turn.final:
            spoken[turn.model or model] += turn.duration_ms
    if usage.seconds:
        billed, by = usage.seconds * 1000, "the service's own count"
    elif counters["billed_ms"]:
        billed, by = float(counters["billed_ms"]), "turns with a text"
    else:
        billed, by = sum(spoken.values()), "the length of the turns"
    prices, unpriced = _prices(spoken or {model: 0.0}, own_prices)
    total = sum(spoken.values())
    cost: float | None = None
    if not unpriced:
        share = billed / total if total else 0.0
        cost = sum(
            prices[name] * ms * share / 60_000 for name, ms in spoken.items()
        )
    return Summary(
        turns=sum(1 for turn in turns if turn.final),
        words=sum(turn.word_count for turn in turns),
        final_after=spread_of([turn.final_after_ms for turn in turns]),
        first_after=spread_of([turn.first_after_ms for turn in turns]),
        counters=counters,
        has_counters=bool(last),
        errors=errors,
        fatal=fatal,
        revived=fatal > 0 and went_on,
        usage=usage,
        billed_ms=billed,
        billed_by=by,
        cost=cost,
        prices=prices,
        unpriced=unpriced,
    )


def _prices(
    spoken: Mapping[str, float], own: Mapping[str, float]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The prices of the models, and the models without one."""
    found = {name: price(name, own) for name in spoken}
    known = {name: usd for name, usd in found.items() if usd is not None}
    return known, tuple(sorted(found.keys() - known.keys()))


def _usage(lines: list[Line]) -> Usage:
    count = tokens_in = tokens_out = 0
    seconds = 0.0
    for line in lines:
        if line.kind != "received":
            continue
        event = fields.part(line.fields, "event")
        if not str(event.get("type")).endswith("transcription.completed"):
            continue
        usage = fields.part(event, "usage")
        if usage:
            count += 1
        seconds += fields.number(usage.get("seconds"))
        tokens_in += fields.count(usage.get("input_tokens"))
        tokens_out += fields.count(usage.get("output_tokens"))
    return Usage(count, seconds, tokens_in, tokens_out)
