"""The states of a call, from the code to docs/core.md.

``python -m devkit.state_tables`` prints the tables, ``--write`` puts them into
the document.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from devkit.bootstrap import ensure_ten

ensure_ten()

from ten_packages.extension.openai_asr_python.realtime.change import (  # noqa: E402
    CHANGE_MOVES,
    ChangeState,
)
from ten_packages.extension.openai_asr_python.realtime.finalizes import (  # noqa: E402
    FINALIZE_MOVES,
    FinalizeState,
)
from ten_packages.extension.openai_asr_python.realtime.handshake import (  # noqa: E402
    HANDSHAKE_MOVES,
    HandshakeState,
)
from ten_packages.extension.openai_asr_python.realtime.hold import (  # noqa: E402
    HOLD_MOVES,
    HoldState,
)
from ten_packages.extension.openai_asr_python.realtime.session import (  # noqa: E402
    SESSION_MOVES,
    SessionState,
)
from ten_packages.extension.openai_asr_python.realtime.sessions import (  # noqa: E402
    NEXT_MOVES,
    NextState,
)
from ten_packages.extension.openai_asr_python.realtime.turn import (  # noqa: E402
    TURN_MOVES,
    TurnState,
)

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "core.md"
BEGIN = "<!-- states: begin, made by python -m devkit.state_tables -->"
END = "<!-- states: end -->"

#: What has states, in the order in which a reader meets it.
TABLES: tuple[tuple[str, type[Enum], Mapping[Any, frozenset[Any]]], ...] = (
    ("A session", SessionState, SESSION_MOVES),
    ("Its handshake", HandshakeState, HANDSHAKE_MOVES),
    ("The session that comes next", NextState, NEXT_MOVES),
    ("A turn", TurnState, TURN_MOVES),
    ("A finalize", FinalizeState, FINALIZE_MOVES),
    (
        "Sending at a mark, where the server owns the turns",
        HoldState,
        HOLD_MOVES,
    ),
    ("A change of the settings", ChangeState, CHANGE_MOVES),
)


def _table(
    title: str, states: type[Enum], moves: Mapping[Any, frozenset[Any]]
) -> str:
    module = states.__module__.split(".openai_asr_python.")[1]
    file = module.replace(".", "/") + ".py"
    lines = [
        f"**{title}** (`{states.__name__}` in `{file}`)\n",
        "| state | meaning | what may follow |\n|---|---|---|",
    ]
    for state in states:
        # In the order of the enum; to stay as it is, is no news.
        after = [each for each in states if each in moves[state] - {state}]
        names = ", ".join(f"`{each.name}`" for each in after) or "nothing"
        lines.append(f"| `{state.name}` | {state.value} | {names} |")
    return "\n".join(lines) + "\n"


def tables() -> str:
    """All of them, as Markdown."""
    return "\n".join(_table(*entry) for entry in TABLES)


def with_tables(text: str) -> str:
    """A document with its part between the marks brought up to date.

    Raises ValueError where it has no such part.
    """
    block = f"{BEGIN}\n\n{tables()}\n{END}"
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    new, count = re.subn(pattern, lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"no place for the tables: {BEGIN} … {END}")
    return new


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devkit.state_tables", description=__doc__
    )
    parser.add_argument("--write", action="store_true", help="write the file")
    if not parser.parse_args().write:
        sys.stdout.write(tables())
        return 0
    try:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
