"""How sure the service is of a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

#: Probabilities below this are 0; integers beyond it are no floats.
_IMPOSSIBLE = -1e6


def confidence(logprobs: Sequence[Mapping[str, Any]]) -> float | None:
    """The geometric mean of the tokens' probabilities, from 0 to 1.

    ``logprobs`` are the entries ``{token, logprob}`` that the service sends
    where ``include`` asks for them; None where there are none.
    """
    values = []
    for entry in logprobs:
        value = entry.get("logprob")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        value = min(max(value, _IMPOSSIBLE), 0)
        if not math.isnan(value):
            values.append(float(value))
    if not values:
        return None
    return round(math.exp(math.fsum(values) / len(values)), 4)
