"""What the escaped characters in a text mean.

Who repeats a text may escape it as in a URL, in JSON, JavaScript, Python or C,
or in HTML, some characters or all, needed or not, once or several times.
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
    r"|\\u\{0*(?P<some>[0-9a-fA-F]{1,8})\}"
    r"|\\U(?P<eight>[0-9a-fA-F]{8})"
    r"|\\(?P<octal>[0-7]{1,3})"
    r"|\\N\{(?P<name>[a-zA-Z0-9 -]{1,80})\}"
    r"|\\(?P<control>[abfnrtv])"
    # No blank, nor what may begin another escape: see `_JAVASCRIPT`.
    r"|\\(?P<itself>[^\s&%])"
)
#: Where it differs: in JavaScript whatever means nothing stands for itself.
_OTHERWISE = r"\\(?P<letter>[aNU&%\s])"
_HTML = (
    r"&#[xX]0*(?P<hexadecimal>[0-9a-fA-F]{1,12});?"
    r"|&#0*(?P<decimal>[0-9]{1,12});?"
    # Some need no semicolon, and end where they end.
    r"|&[a-zA-Z][a-zA-Z0-9]{1,31};?"
)
_JAVASCRIPT = f"{_OTHERWISE}|{_CODE}"
_FAMILIES = tuple(map(re.compile, (_URL, _CODE, _JAVASCRIPT, _HTML)))
_ALL = re.compile("|".join((_URL, _CODE, _HTML)))
_ALL_JAVASCRIPT = re.compile("|".join((_URL, _JAVASCRIPT, _HTML)))
_IS_OTHERWISE = re.compile(_OTHERWISE)
_CONTROLS = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_BASES = {"decimal": 10, "octal": 8}
#: Escapes in escapes.
_LEVELS = 3


@dataclass(frozen=True)
class View:
    """What the escapes in another text mean, and where in that one each of its
    characters begins and ends."""

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
            starts += self.starts[done:begin]
            starts += [self.starts[begin]] * len(meant)
            stops += self.stops[done:begin]
            stops += [self.stops[end - 1]] * len(meant)
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
    levels = list(_levels(whole, _ALL))
    yield from levels
    if any(_IS_OTHERWISE.search(view.text) for view in (whole, *levels)):
        yield from _levels(whole, _ALL_JAVASCRIPT)


def _levels(view: View, escape: re.Pattern[str]) -> Iterator[View]:
    for _ in range(_LEVELS):
        inner = view.unescaped(escape)
        if inner is view:
            return
        view = inner
        yield view


def _meant(match: re.Match[str]) -> str:
    """The text that an escape stands for, or "" where it is none."""
    kind = match.lastgroup
    if kind is None:
        text = html.unescape(match[0])
        return text if text != match[0] else ""
    found = match[kind]
    if kind in ("itself", "letter"):
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
