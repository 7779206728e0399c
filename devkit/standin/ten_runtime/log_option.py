"""How a log line is taken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LogOption:
    """``skip``: stack frames between caller and logger; ``sync``: write now."""

    skip: int = 2
    sync: bool = False


DefaultLogOption = LogOption(2, False)
