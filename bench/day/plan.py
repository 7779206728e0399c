"""When calls come, how long they take, and when the service is out.

Times are seconds since the day began.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

DAY_S = 86_400.0
#: How many calls begin in each hour, in proportion: the morning's peak, a dip
#: at noon, the afternoon, the evening.
PROFILE = (
    *(6, 4, 3, 3, 4, 8, 20, 45, 80, 100, 100, 85),
    *(65, 65, 75, 80, 75, 65, 50, 40, 30, 20, 14, 9),
)
#: Of the logarithm of a call's length.
_SIGMA = 1.2
_SHORTEST_S, _LONGEST_S = 5.0, 7_200.0
#: An outage begins up to so much later than the plan says.
_LATER_S = 600.0


class Trouble(Enum):
    """What the service does to open connections and to attempts."""

    DOWN = "connections break off; attempts are refused"
    HUNG = "connections fall silent; attempts are refused"
    RESTART = "all connections are closed (1012); attempts succeed"
    LIMITED = "all connections are closed (1013); HTTP 429 with Retry-After"


@dataclass(frozen=True)
class Outage:
    """From ``start`` to ``end``; ``retry_after`` in seconds, 0 for none."""

    trouble: Trouble
    start: float
    end: float
    retry_after: int = 0


#: Hour of the day, trouble, seconds, Retry-After.
_OUTAGES = (
    (8.2, Trouble.DOWN, 5.0, 0),
    (9.0, Trouble.RESTART, 0.0, 0),
    (9.4, Trouble.DOWN, 40.0, 0),
    (10.2, Trouble.LIMITED, 60.0, 20),
    (14.3, Trouble.HUNG, 30.0, 0),
    (16.0, Trouble.DOWN, 180.0, 0),
    (20.0, Trouble.RESTART, 0.0, 0),
)


def outages_of(seed: int) -> tuple[Outage, ...]:
    """Those of a day, in order."""
    dice = random.Random(f"outages of {seed}")
    found = []
    for hour, trouble, seconds, retry_after in _OUTAGES:
        start = hour * 3600 + dice.uniform(0, _LATER_S)
        found.append(Outage(trouble, start, start + seconds, retry_after))
    return tuple(found)


@dataclass(frozen=True)
class Plan:
    """A day: ``calls`` of them within ``day_s`` seconds, ``mean_s`` long.

    ``limit``: connections that the service takes in a second, None: any number.
    """

    calls: int
    seed: int
    outages: tuple[Outage, ...]
    limit: int | None = None
    day_s: float = DAY_S
    mean_s: float = 180.0

    def arrivals(self) -> list[float]:
        """When each call begins, in order: a Poisson process of which the
        number of events is known is that many draws from its rate."""
        dice = random.Random(f"arrivals of {self.seed}")
        sums = list(accumulate(PROFILE))
        hour_s = self.day_s / len(PROFILE)
        return sorted(
            hour_s
            * (bisect_right(sums, dice.uniform(0, sums[-1])) + dice.random())
            for _ in range(self.calls)
        )

    def dice(self, number: int) -> random.Random:
        """Those of a call."""
        return random.Random(f"call {number} of {self.seed}")

    def length(self, dice: random.Random) -> float:
        """Log-normal, with bounds."""
        middle = math.log(self.mean_s) - _SIGMA**2 / 2
        drawn = dice.lognormvariate(middle, _SIGMA)
        return min(max(drawn, _SHORTEST_S), _LONGEST_S)
