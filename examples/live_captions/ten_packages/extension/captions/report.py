"""What a run came to, as JSON for the program that started the app."""

from collections.abc import Sequence
from typing import Any

from .run_state import Ending, RunState
from .transcript import Result
from .writers import json_text


def to_report(
    ending: Ending,
    state: RunState,
    finals: Sequence[Result],
    *,
    position_ms: int,
    problem: str,
) -> str:
    """The report's JSON text.

    Fields: `ending` (see `run_state.Ending`), `finals` (how many turns),
    `errors` (how many `error` messages), `fatal_error` and `last_error`
    (TEN `error` bodies or null), `position_ms` (audio played), `problem`
    (one line: source, settings or output file; empty if none), `results`
    (`start_ms`, `duration_ms`, `text` of each turn).
    """
    report: dict[str, Any] = {
        "ending": ending,
        "finals": len(finals),
        "errors": state.errors,
        "fatal_error": state.fatal_error,
        "last_error": state.last_error,
        "position_ms": position_ms,
        "problem": problem,
        "results": [
            {
                "start_ms": result.start_ms,
                "duration_ms": result.duration_ms,
                "text": result.text,
            }
            for result in finals
        ],
    }
    return json_text(report)
