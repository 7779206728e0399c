"""Do the notices of a session's items follow one another without a gap?"""

from __future__ import annotations

from collections import deque

from .habits import ServerHabits
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
    held before; else it is in doubt.  ``broken``: a notice was lost, so that
    only the turns known so far can be trusted.
    """

    def __init__(self, habits: ServerHabits) -> None:
        self.broken = False
        self._habits = habits
        self._last = ""
        self._held = False
        self._doubted = ""
        self._unannounced: deque[str] = deque(maxlen=_UNANNOUNCED)

    def check(self, item_id: str, previous: str, turns: TurnList) -> None:
        """The notice of an item came, which names the one before."""
        if item_id == self._last:
            return
        first, self._last = not self._last, item_id
        before = turns.by_id.get(previous)
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

    @property
    def in_doubt(self) -> bool:
        """Was what an item named as the one before an item as well?

        Then each commit is taken for answered by the item of the next one,
        and one always has no answer.  So once there is none left it was not,
        and until then nothing may be delivered.
        """
        return bool(self._doubted)

    def settle_doubt(self) -> None:
        """Every commit is answered: what was named is no item."""
        if self._doubted:
            if len(self._habits.roots) < _MAX_ROOTS:
                self._habits.roots.add(self._doubted)
            self._doubted = ""

    def is_proved_item(self, item_id: str) -> bool:
        """A word about an item came; True if it is the one in doubt, whose
        notice was lost then."""
        if not item_id or item_id != self._doubted:
            return False
        self.broken = True
        return True

    def was_unannounced(self, item_id: str) -> None:
        """A word about an item came that nobody knows."""
        self._unannounced.append(item_id)
