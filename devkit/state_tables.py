"""The states of a call, from the code to docs/core.md.

``python -m devkit.state_tables`` prints the tables, ``--write`` puts them into
the document, ``--check`` tells whether it is current (exit status 1 if not).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from devkit.bootstrap import ensure_ten
from devkit.generated import ROOT, run, with_part

ensure_ten()

from ten_packages.extension.openai_asr_python import (  # noqa: E402
    openai_asr_client as client,
)
from ten_packages.extension.openai_asr_python.call import (  # noqa: E402
    hearing,
    slot,
)
from ten_packages.extension.openai_asr_python.realtime import (  # noqa: E402
    caution,
    change,
    finalizes,
    handshake,
    hold,
    resend,
    session,
    sessions,
    suspicion,
    turn,
)

DOCUMENT = ROOT / "docs" / "core.md"
BEGIN = "<!-- states: begin, made by python -m devkit.state_tables -->"
END = "<!-- states: end -->"

#: What has states, in the order in which a reader meets it.
TABLES: tuple[tuple[str, type[Enum], Mapping[Any, frozenset[Any]]], ...] = (
    ("The call of a node", slot.SlotState, slot.SLOT_MOVES),
    (
        "Who tells a local detector what is speech",
        hearing.HearingState,
        hearing.HEARING_MOVES,
    ),
    ("The client", client.ClientState, client.CLIENT_MOVES),
    ("A session", session.SessionState, session.SESSION_MOVES),
    ("Its handshake", handshake.HandshakeState, handshake.HANDSHAKE_MOVES),
    ("The session that comes next", sessions.NextState, sessions.NEXT_MOVES),
    ("A turn", turn.TurnState, turn.TURN_MOVES),
    ("A finalize", finalizes.FinalizeState, finalizes.FINALIZE_MOVES),
    (
        "Sending at a mark, where the server owns the turns",
        hold.HoldState,
        hold.HOLD_MOVES,
    ),
    ("A turn that got no text", resend.ResendState, resend.RESEND_MOVES),
    ("What a session is sent", caution.CautionState, caution.CAUTION_MOVES),
    (
        "What is thought of a server's detector that says nothing",
        suspicion.SuspicionState,
        suspicion.SUSPICION_MOVES,
    ),
    ("A change of the settings", change.ChangeState, change.CHANGE_MOVES),
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
    """A document with its part brought up to date; raises ValueError."""
    return with_part(text, BEGIN, END, tables())


def documents() -> dict[Path, str]:
    """The document as it should be."""
    return {DOCUMENT: with_tables(DOCUMENT.read_text())}


if __name__ == "__main__":
    sys.exit(run("devkit.state_tables", __doc__, tables, documents))
