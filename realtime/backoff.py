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
        """Seconds until the next attempt, ``at_least`` so many."""
        self.attempt += 1
        delay = 0.0
        if self.attempt > 1:
            doublings = min(self.attempt - 2, 16)
            step = min(self.BASE_S * 2.0**doublings, self.CAP_S)
            delay = step * self._rng.uniform(0.5, 1.0)
        if at_least > 0:
            delay = max(delay, self.stretched(at_least))
        return delay

    def stretched(self, wait: float) -> float:
        """Such a time with jitter, for the same reason."""
        return wait * self._rng.uniform(1.0, 1.25)

    def reset(self) -> None:
        """A session is up: start over."""
        self.attempt = 0


class Retries:
    """When a call connects again.

    An attempt beside a session that lives is another matter than one in an
    outage: each has a back-off of its own.  Where the session ends before the
    next one came about, the outage goes on where that was.
    ``not_before``: the time that the service named, in s.
    """

    #: Between attempts beside a session, at least.
    PAUSE_S = 1.0
    #: So much audio has to be delivered before the back-off begins anew.
    PROGRESS_MS = 300

    def __init__(self, rng: random.Random) -> None:
        self.not_before = 0.0
        self._outage = Backoff(rng)
        self._beside = Backoff(rng)
        #: What was delivered when the back-off began anew.
        self._progress_at = 0
        self._told_late = False

    @property
    def attempt(self) -> int:
        """How many there were in this outage."""
        return self._outage.attempt

    def heed(self, wish: float, now: float) -> None:
        """The service asked to wait so many seconds; 0.0: it did not."""
        if wish > 0:
            self.not_before = now + self._outage.stretched(wish)

    def after_loss(self, now: float) -> float:
        """Seconds until the next attempt, where no session is left."""
        outage = self._outage
        outage.attempt = max(outage.attempt, self._beside.attempt)
        self._beside.reset()
        return max(outage.next_delay(), self.not_before - now)

    def beside(self) -> float:
        """The same, where one lives."""
        return self._beside.next_delay(self.PAUSE_S)

    def is_late(self, due_at: float, end: float, now: float) -> bool:
        """Will the session that lives have ended by the next attempt?  True
        once for each."""
        late = not self._told_late and now < end <= due_at
        self._told_late |= late
        return late

    def used_from(self, watermark: int) -> None:
        """What is delivered before was another endpoint's progress."""
        self._progress_at = watermark

    def progressed(self, watermark: int, rate: int) -> None:
        """Everything before it is delivered, at so many samples a second.

        It takes some audio to say that what was lost before has been made up
        for: a server that ends each session with a word or an error would be
        dialed without an end.
        """
        if watermark - self._progress_at >= self.PROGRESS_MS * rate // 1000:
            self._progress_at = watermark
            self._outage.reset()

    def taken_over(self) -> None:
        """The session that was to follow does so."""
        self._beside.reset()
        self._told_late = False
