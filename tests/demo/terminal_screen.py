"""A terminal small enough to read: what would be on the screen?

Understands what captions may send: text, ``\\r``, ``\\n``, cursor up, erase
the line, colours, cursor visibility. Anything else fails the test.
"""

import io
import re
import unicodedata

_SEQUENCE = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])")


class Screen(io.StringIO):
    """A text stream that is a terminal of `columns` cells, endless rows."""

    def __init__(self, columns: int = 80) -> None:
        super().__init__()
        self.columns = columns
        self.cursor_visible = True
        self._rows: list[list[str]] = [[]]
        self._row = 0
        self._column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        index = 0
        while index < len(text):
            if text[index] == "\x1b":
                match = _SEQUENCE.match(text, index)
                assert match, f"unknown sequence {text[index : index + 8]!r}"
                self._sequence(match[1], match[2])
                index = match.end()
                continue
            self._character(text[index])
            index += 1
        return len(text)

    def lines(self) -> list[str]:
        """The rows, without blanks at the end and empty rows below."""
        rows = ["".join(row).rstrip() for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def resize(self, columns: int) -> None:
        """Re-wrap rows that became too long, as terminals do."""
        self.columns = columns
        rows: list[list[str]] = []
        for row in self._rows:
            pieces = [
                row[at : at + columns]
                for at in range(0, max(1, len(row)), columns)
            ]
            rows += pieces
        self._rows = rows
        self._row = len(rows) - 1
        self._column = len(rows[-1])

    def _sequence(self, arguments: str, final: str) -> None:
        if final == "A":
            self._row = max(0, self._row - int(arguments or 1))
        elif (final, arguments) == ("K", "2"):
            self._rows[self._row] = []
        elif arguments == "?25" and final in "hl":
            self.cursor_visible = final == "h"
        else:
            assert final == "m", f"unknown sequence {arguments}{final}"

    def _character(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._row += 1
            self._column = 0
            if self._row == len(self._rows):
                self._rows.append([])
        else:
            assert char.isprintable(), f"control character {char!r}"
            self._put(char)

    def _put(self, char: str) -> None:
        width = 1 + (unicodedata.east_asian_width(char) in "WF")
        if self._column + width > self.columns:
            self._character("\n")
        row = self._rows[self._row]
        row += [" "] * (self._column + width - len(row))
        row[self._column] = char
        if width == 2:
            row[self._column + 1] = ""
        self._column += width
