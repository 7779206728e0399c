"""What the escaped characters in a text mean.

A text that somebody repeats may be escaped as in a URL, in JSON, JavaScript,
Python or C, or in HTML, in some of its characters or in all, needed or not,
once or several times.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: In a URL; bytes that are a character in UTF-8 stand for that one.
_URL = (
    r"(?P<utf8>(?:%[cdCD]|%[eE][0-9a-fA-F]%[89abAB]"
    r"|%[fF][0-7]%[89abAB][0-9a-fA-F]%[89abAB])[0-9a-fA-F]%[89abAB][0-9a-fA-F])"
    r"|%(?P<byte>[0-9a-fA-F]{2})"
    r"|%u(?P<unit>[0-9a-fA-F]{4})"
)
_CODE = (
    r"\\x(?P<two>[0-9a-fA-F]{2})"
    r"|\\u(?P<four>[0-9a-fA-F]{4})"
    r"|\\u\{(?P<some>[0-9a-fA-F]{1,8})\}"
    r"|\\U(?P<eight>[0-9a-fA-F]{8})"
    r"|\\(?P<octal>[0-7]{1,3})"
    r"|\\N\{(?P<name>[A-Z0-9 -]{1,80})\}"
    r"|\\(?P<control>[abfnrtv])"
    r"|\\(?P<itself>[^\w\s&%])"
)
_HTML = (
    r"&#[xX](?P<hexadecimal>[0-9a-fA-F]{1,12});?"
    r"|&#(?P<decimal>[0-9]{1,12});?"
    r"|&[a-zA-Z]{2,8};"
)
_FAMILIES = tuple(map(re.compile, (_URL, _CODE, _HTML)))
_ALL = re.compile("|".join((_URL, _CODE, _HTML)))
_CONTROLS = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_BASES = {"decimal": 10, "octal": 8}
#: Escapes in escapes.
_LEVELS = 3


@dataclass(frozen=True)
class View:
    """A text, and where each of its characters begins and ends in another
    one, of which it is what the escapes mean."""

    text: str
    starts: Sequence[int]
    stops: Sequence[int]

    def unescaped(self, escape: re.Pattern[str]) -> View:
        """With each escape undone once; itself where there is none."""
        pieces: list[str] = []
        starts: list[int] = []
        stops: list[int] = []
        done = 0
        for match in escape.finditer(self.text):
            meant = _meant(match)
            if not meant:
                continue
            begin, end = match.span()
            pieces += [self.text[done:begin], meant]
            starts += [*self.starts[done:begin], self.starts[begin]]
            stops += [*self.stops[done:begin], self.stops[end - 1]]
            done = end
        if not pieces:
            return self
        pieces.append(self.text[done:])
        starts += self.starts[done:]
        stops += self.stops[done:]
        return View("".join(pieces), starts, stops)


def views(text: str) -> Iterator[View]:
    """The text as it is, with its escapes undone by each of those who may
    have made them, and by all of them again and again."""
    whole = View(text, range(len(text)), range(1, len(text) + 1))
    yield whole
    if not ("%" in text or "\\" in text or "&" in text):
        return
    for escape in _FAMILIES:
        if (view := whole.unescaped(escape)) is not whole:
            yield view
    for _ in range(_LEVELS):
        inner = whole.unescaped(_ALL)
        if inner is whole:
            return
        whole = inner
        yield whole


def _meant(match: re.Match[str]) -> str:
    """The character that an escape stands for, or "" where it is none."""
    kind = match.lastgroup
    if kind is None:
        entity = html.unescape(match[0])
        return entity if len(entity) == 1 else ""
    found = match[kind]
    if kind == "itself":
        return found
    if kind == "control":
        return _CONTROLS[found]
    try:
        if kind == "name":
            return unicodedata.lookup(found)
        if kind == "utf8":
            return bytes.fromhex(found.replace("%", "")).decode()
        return chr(int(found, _BASES.get(kind, 16)))
    except (KeyError, ValueError, OverflowError):
        return ""
