"""What the escaped characters in a text mean.

Who repeats a text may escape it as in a URL, in JSON, JavaScript, Python or C,
or in HTML, some characters or all, needed or not, once or several times; and
put all of that in upper or lower case.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.entities import html5
from operator import itemgetter

#: In a URL; bytes that are a character in UTF-8 stand for that one.
_URL = (
    r"(?P<utf8>(?:%[cdCD]|%[eE][0-9a-fA-F]%[89abAB]"
    r"|%[fF][0-7]%[89abAB][0-9a-fA-F]%[89abAB])[0-9a-fA-F]%[89abAB][0-9a-fA-F])"
    r"|%(?P<byte>[0-9a-fA-F]{2})"
    r"|%[uU](?P<unit>[0-9a-fA-F]{4})"
)
_CODE = (
    r"\\x(?P<two>[0-9a-fA-F]{2})"
    r"|\\u(?P<four>[0-9a-fA-F]{4})"
    r"|\\u\{0*(?P<some>[0-9a-fA-F]{1,8})\}"
    r"|\\U(?P<eight>[0-9a-fA-F]{8})"
    r"|\\(?P<octal>[0-7]{1,3})"
    r"|\\N\{(?P<name>[a-zA-Z0-9 +-]{1,80})\}"
    r"|\\(?P<control>[abfnrtv])"
    # No blank, nor what may begin another escape: see `_JAVASCRIPT`.
    r"|\\(?P<itself>[^\s&%])"
)
#: Where it differs: in JavaScript whatever means nothing stands for itself, and
#: no octal escape is above 377.
_OTHERWISE = r"\\(?P<letter>[aNU&%\s])|\\(?P<short_octal>[4-7][0-7])(?=[0-7])"
#: Where a whole text was put in upper or lower case afterwards.  Eight digits
#: are those that are a character; as four these would be a control and more.
_CASED = (
    r"\\X(?P<cased_two>[0-9a-fA-F]{2})"
    r"|\\u(?P<cased_eight>00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})"
    r"|\\U(?P<cased_four>(?!00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})[0-9a-fA-F]{4})"
    r"|\\U\{0*(?P<cased_some>[0-9a-fA-F]{1,8})\}"
    r"|\\n\{(?P<cased_name>[a-zA-Z0-9 +-]{1,80})\}"
    r"|\\(?P<cased_control>[ABFNRTV])(?!\{)"
)
_HTML = (
    r"&#[xX]0*(?P<hexadecimal>[0-9a-fA-F]{1,12});?"
    r"|&#0*(?P<decimal>[0-9]{1,12});?"
    # Some need no semicolon, and end where they end.
    r"|&[a-zA-Z][a-zA-Z0-9]{1,31};?"
)
_JAVASCRIPT = f"{_OTHERWISE}|{_CODE}"
_EITHER_CASE = f"{_CASED}|{_CODE}"
_FAMILIES = tuple(map(re.compile, (_URL, _CODE, _HTML)))
_ALL = re.compile("|".join((_URL, _CODE, _HTML)))
#: What is read otherwise, and how it and all is read then.
_READINGS = tuple(
    tuple(map(re.compile, (differs, code, "|".join((_URL, code, _HTML)))))
    for differs, code in ((_OTHERWISE, _JAVASCRIPT), (_CASED, _EITHER_CASE))
)
#: By name in lower case; of those that differ in case only, such as `Verbar`,
#: the one that comes first in Unicode.
_ENTITIES = {
    name.lower().rstrip(";"): text
    for name, text in sorted(html5.items(), key=itemgetter(1), reverse=True)
}
_CONTROLS = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_BASES = {"decimal": 10, "octal": 8, "short_octal": 8}
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
        yield from _levels(whole, escape, 1)
    levels = list(_levels(whole, _ALL))
    yield from levels
    for differs, family, escape in _READINGS:
        if any(differs.search(view.text) for view in (whole, *levels)):
            yield from _levels(whole, family, 1)
            yield from _levels(whole, escape)


def _levels(
    view: View, escape: re.Pattern[str], most: int = _LEVELS
) -> Iterator[View]:
    for _ in range(most):
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
        if text == match[0]:
            text = _ENTITIES.get(text[1:].rstrip(";").lower(), "")
        return text
    found = match[kind]
    kind = kind.removeprefix("cased_")
    if kind in ("itself", "letter"):
        return found
    if kind == "control":
        return _CONTROLS[found.lower()]
    try:
        if kind == "name":
            # A form has a plus for each blank.
            return unicodedata.lookup(found.replace("+", " "))
        if kind == "utf8":
            return bytes.fromhex(found.replace("%", "")).decode()
        return chr(int(found, _BASES.get(kind, 16)))
    except (KeyError, ValueError, OverflowError):
        return ""
