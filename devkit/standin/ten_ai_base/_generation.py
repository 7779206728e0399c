"""Which generation of the base this process plays.

``TEN_AI_BASE_GENERATION``: ``0.7.41`` (default) or ``newer`` (the base that
extensions of July and August 2026 are written for). Read once, at import: in
the old one the newer names do not exist at all.
"""

from __future__ import annotations

import os

OLD, NEWER = "0.7.41", "newer"


def _read() -> bool:
    generation = os.environ.get("TEN_AI_BASE_GENERATION", OLD)
    if generation not in (OLD, NEWER):
        raise ImportError(
            f"TEN_AI_BASE_GENERATION={generation!r}: allowed are "
            f"{OLD} and {NEWER}"
        )
    return generation == NEWER


IS_NEWER = _read()
