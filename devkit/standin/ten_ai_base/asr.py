"""The base class of speech recognition extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._generation import IS_NEWER

# Type checkers see the old one: what it lacks has to be looked up.
if TYPE_CHECKING or not IS_NEWER:
    from ._asr_base import AsyncASRBaseExtension
else:
    from ._asr_newer import AsyncASRBaseExtension

from .struct import ASRResult, ASRWord
from .types import (
    ASRBufferConfig,
    ASRBufferConfigModeDiscard,
    ASRBufferConfigModeKeep,
)

__all__ = [
    "ASRBufferConfig",
    "ASRBufferConfigModeDiscard",
    "ASRBufferConfigModeKeep",
    "ASRResult",
    "ASRWord",
    "AsyncASRBaseExtension",
]
