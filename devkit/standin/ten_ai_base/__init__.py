"""Stand-in for ``ten_ai_base``: the part that speech recognition uses.

See :mod:`ten_ai_base._generation` for the two generations it can play.
"""

from .asr import AsyncASRBaseExtension
from .message import ModuleType

__all__ = ["AsyncASRBaseExtension", "ModuleType"]
