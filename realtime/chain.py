"""Do the notices of a session's items follow one another without a gap?"""

from __future__ import annotations

from collections import deque

from .habits import ServerHabits
from .turn import Turn
from .turn_list import TurnList

#: How many ids of items that nobody announced are remembered.
_UNANNOUNCED = 512
#: Names of what is before an item; a server with more has one for each.
_MAX_ROOTS = 64


class ItemChain:
    """Notices that the notice of an item was lost: its successor names it as
    the one before (``previous_item_id``).

    A server may have names of its own for what precedes the first item, or
    any.  So an unknown one is a lost item only where the chain of this session
    held before; else it is in doubt.  So is which commit of ours an item
    answers, while more of them wait than this one.  ``broken``: a notice was
    lost, so that only the turns known so far can be trusted.  ``doubted_at``:
    when the last item came while more commits waited, in seconds.
    """

    def __init__(self, habits: ServerHabits) -> None:
        self.broken = False
        self._habits = habits
        self._last = ""
        self._held = False
        self._doubted = ""
        self._uncounted = False
        self.doubted_at = 0.0
        self._unannounced: deque[str] = deque(maxlen=_UNANNOUNCED)

    def check(self, item_id: str, previous: str, turns: TurnList) -> None:
        """The notice of an item came, which names the one before."""
        if item_id == self._last:
            return
        first, self._last = not self._last, item_id
        before = turns.by_id.get(previous)
        if not first and (not previous or previous in self._habits.roots):
            self._habits.one_by_one = True
        if item_id == self._doubted:
            # The one before came later: each was taken for the other.
            self.broken = True
            return
        if previous in ("", item_id) or not self._habits.chains:
            return
        if before is not None and not before.closed:
            self.broken = True
        elif before is not None or previous in turns.finished:
            self._held = True
            self._habits.links += 1
        elif previous in self._habits.roots:
            return
        elif (self._held and not first) or previous in self._unannounced:
            self.broken = True
        else:
            self._doubted = previous

    def is_stray(self, turn: Turn, turns: TurnList) -> bool:
        """Did nobody ask for this item?  It has the audio of another one, or
        of a turn that the server ended by itself: who believes it takes the
        next words for said."""
        asked = turns.commits or turn.from_server or not turns.commits_sent
        own = self._habits.detects or not self._habits.chains
        return turns.by_client and not (asked or own)

    @property
    def in_doubt(self) -> bool:
        """May an item be that of a later commit than it is taken for?

        Where the one before it was an item as well, or where several commits
        waited for their items when it came.  If a notice was lost, or a commit
        swallowed, each commit is taken for answered by the item of the next
        one, and one always has no answer.  So once there is none left all is
        right (unless they `has_no_order`), and until then nothing may be
        delivered.
        """
        return bool(self._doubted) or self._uncounted

    @property
    def is_counting(self) -> bool:
        """Is it settled soonest where no more commits are sent?"""
        return self._uncounted and not self._doubted

    @property
    def has_no_order(self) -> bool:
        """Did several commits wait when an item came, and does no item name
        the one before?  Then nothing tells which commit each answered."""
        return self._uncounted and not self._held

    def doubt_count(self, now: float) -> None:
        """An item came while several commits waited for theirs."""
        self._uncounted, self.doubted_at = True, now

    def break_off(self) -> bool:
        """A notice was lost; True where one in doubt may be the wrong one's,
        so that none can be trusted."""
        doubted = self.in_doubt
        self.broken, self._doubted, self._uncounted = True, "", False
        return doubted

    def settle_doubt(self) -> None:
        """Every commit is answered: what was named is no item."""
        self._uncounted = False
        if self._doubted:
            if len(self._habits.roots) < _MAX_ROOTS:
                self._habits.roots.add(self._doubted)
            self._doubted = ""

    def is_proved_item(self, item_id: str) -> bool:
        """A word about an item came: is it the one in doubt, whose notice was
        lost then?"""
        return bool(item_id) and item_id == self._doubted

    def was_unannounced(self, item_id: str) -> None:
        """A word about an item came that nobody knows."""
        self._unannounced.append(item_id)
