"""When to try again."""

from __future__ import annotations

import random


class Backoff:
    """Exponential delays with jitter: 0, then about 0.5, 1, 2 … ``cap`` s.

    Each delay is drawn from the upper half of its range, so that streams
    which lost the same server do not come back in step.
    """

    BASE_S = 0.5
    CAP_S = 10.0

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.attempt = 0

    def next_delay(self, at_least: float = 0.0) -> float:
        """Seconds until the next attempt; ``at_least`` is a server's wish.

        The wish is stretched by jitter as well, for the same reason.
        """
        self.attempt += 1
        delay = 0.0
        if self.attempt > 1:
            doublings = min(self.attempt - 2, 16)
            step = min(self.BASE_S * 2.0**doublings, self.CAP_S)
            delay = step * self._rng.uniform(0.5, 1.0)
        if at_least > 0:
            delay = max(delay, at_least * self._rng.uniform(1.0, 1.25))
        return delay

    def reset(self) -> None:
        """A session is up: start over."""
        self.attempt = 0
