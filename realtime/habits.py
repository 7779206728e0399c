"""What a call's server is known to do, whatever the protocol says."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ServerHabits:
    """Learnt from one connection for the next.

    ``announces``: it sends a notice of each item (``committed`` or
    ``item.added``), so that an unknown item is a lost event.  ``chained``: a
    notice named the item before as OpenAI's do, so that from then on a gap is
    a lost event; ``chains`` is False once that proved wrong.  ``roots``: what
    the first items of its sessions named as the one before.

    ``confirms``: it was seen to answer `session.update`.  ``consents``: it
    never did so and yet took audio.  ``answers_in_s``: how long it took to
    confirm after it was given up waiting for, or 0.

    ``unknown_events``: how many of its events were of no known kind or named
    no known item.
    """

    announces: bool = False
    chained: bool = False
    chains: bool = True
    roots: set[str] = field(default_factory=set)
    confirms: bool = False
    consents: bool = False
    answers_in_s: float = 0.0
    told_unconfirmed: bool = False
    unknown_events: int = 0
