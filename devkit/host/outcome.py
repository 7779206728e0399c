"""Whether a run was a success: what its nodes said of it in errors.

An app that closes itself looks the same whether its recogniser heard all or
gave up.  The shape of errors is TEN's (code -1000: nothing more is tried);
how audio without a text is told is our extension's.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_FATAL = -1000
_GIVEN_UP = re.compile(r"(?:audio dropped|; given up): (\d+) ms ")


class Outcome:
    """Sees the messages of a run."""

    def __init__(self) -> None:
        self._fatal: dict[str, str] = {}
        self._given_up_ms: Counter[str] = Counter()

    def see(self, node: str, kind: str, name: str, body: Any) -> None:
        """A message that a node sent, with its properties."""
        if (kind, name) != ("data", "error") or not isinstance(body, dict):
            return
        text = str(body.get("message"))
        given_up = _GIVEN_UP.search(text)
        if given_up:
            self._given_up_ms[node] += int(given_up[1])
        if body.get("code") == _FATAL:
            self._fatal[node] = text

    @property
    def failures(self) -> list[str]:
        """Why it was none, a line each."""
        return [
            *(f"{node} gave up: {text}" for node, text in self._fatal.items()),
            *(
                f"{node} gave up {ms / 1000:.1f} s of audio"
                for node, ms in self._given_up_ms.items()
            ),
        ]
