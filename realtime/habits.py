"""What a call's server is known to do, whatever the protocol says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass
class ServerHabits:
    """Learnt from one connection for the next.

    ``announces``: it sends a notice of each item (``committed`` or
    ``item.added``), so that an unknown item is a lost event.  ``chains``: a
    notice may name the item before, so that a gap is a lost event; believed
    until proved wrong.  ``links``: how often it named one that was known.
    ``roots``: what items named there and was none.

    ``detects``: it ends turns by itself though they are ours.

    ``confirms``: it was seen to answer `session.update`.  ``consents``: it
    never did so and yet took audio.  ``answers_in_s``: how long it took to
    confirm after it was given up waiting for, or 0.

    ``commit_in_s``: the longest that a commit of ours waited for its item.
    ``one_by_one``: its items name none before them, or a commit was not
    answered: so each commit waits for the answer to the one before.
    ``misses``: one was found to wait in vain, and none was answered since.
    ``answers_refused``: it refused one, and then made an item of it.

    ``unknown_events``: how many of its events were of no known kind or named
    no known item.
    """

    announces: bool = False
    chains: bool = True
    links: int = 0
    roots: set[str] = field(default_factory=set)
    detects: bool = False
    confirms: bool = False
    consents: bool = False
    answers_in_s: float = 0.0
    commit_in_s: float = 0.0
    one_by_one: bool = False
    misses: bool = False
    answers_refused: bool = False
    told_unconfirmed: bool = False
    unknown_events: int = 0

    def handed_on(self) -> ServerHabits:
        """For what may be the same server, in another place.  That it confirms
        is seen there at once."""
        return replace(
            self, roots=set(self.roots), confirms=False, unknown_events=0
        )
