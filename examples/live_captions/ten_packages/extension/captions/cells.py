"""Text measured in terminal cells: width and wrapping.

A cell is one column of a terminal. East Asian wide characters take two
(Unicode Standard Annex 11, classes W and F), combining marks none.
Everything here is pure.
"""

import unicodedata

_ZERO_WIDTH_CATEGORIES = frozenset({"Mn", "Me", "Cf"})


def char_width(char: str) -> int:
    """Cells that one character takes: 0, 1 or 2."""
    if char.isascii():
        return 1
    if unicodedata.category(char) in _ZERO_WIDTH_CATEGORIES:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def text_width(text: str) -> int:
    """Cells that a single line of text without escapes takes."""
    return sum(map(char_width, text))


def truncate(text: str, width: int, *, ellipsis: str = "…") -> str:
    """Cut the end of a line off so that it fits into `width` cells."""
    if text_width(text) <= width:
        return text
    kept, _ = _split_at(text, max(0, width - text_width(ellipsis)))
    return kept.rstrip() + ellipsis if width > 0 else ""


def wrap(text: str, width: int) -> list[str]:
    """Break a line at spaces into lines of at most `width` cells.

    Words longer than a line are cut, as is text of scripts that have no
    spaces. Returns at least one (perhaps empty) line.
    """
    width = max(2, width)  # one wide character must fit
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        size = text_width(word)
        gap = 1 if line else 0
        if line and used + gap + size > width:
            lines.append(line)
            line, used, gap = "", 0, 0
        while size > width:
            part, word = _split_at(word, width)
            lines.append(part)
            size = text_width(word)
        line, used = f"{line}{' ' * gap}{word}", used + gap + size
    lines.append(line)
    return lines


def _split_at(text: str, width: int) -> tuple[str, str]:
    """The longest start of `text` within `width` cells, and the rest."""
    used = 0
    for index, char in enumerate(text):
        used += char_width(char)
        if used > width:
            return text[:index], text[index:]
    return text, ""
