"""How much of a call a page carries.

A browser lays out some thousands of rows in a second, and a hundred thousand
in minutes.
"""

from __future__ import annotations

from .turns import Turn

#: So many turns are listed, and so many bars are drawn.
MOST_LISTED = 5000
#: And with them so much text, in characters.
_MOST_TEXT = 8_000_000
#: What the markup around a word, or an interim, takes of it.
_MARKUP = 60


def listed(turns: list[Turn]) -> list[Turn]:
    """The first ones, at least one where there is one."""
    room = _MOST_TEXT
    for index, turn in enumerate(turns[:MOST_LISTED]):
        room -= len(turn.text)
        for part in (turn.words, turn.speakers, turn.interims):
            room -= sum(_MARKUP + len(each.text) for each in part)
        if room < 0:
            return turns[: max(index, 1)]
    return turns[:MOST_LISTED]


def joined(turns: list[Turn]) -> list[list[Turn]]:
    """All of them, with neighbours in one bar where they are too many."""
    each = -(-len(turns) // MOST_LISTED) or 1
    return [turns[at : at + each] for at in range(0, len(turns), each)]
