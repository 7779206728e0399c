"""Stand-in for ``ten_ai_base``: the part that speech recognition uses.

See :mod:`ten_ai_base._generation` for the two generations it can play.
"""

from .asr import AsyncASRBaseExtension
from .audio_buffer_manager import AudioBufferManager
from .config import BaseConfig
from .dumper import Dumper
from .helper import AsyncQueue, TimeHelper
from .message import ModuleType
from .reconnect_manager import ReconnectManager

__all__ = [
    "AsyncASRBaseExtension",
    "AsyncQueue",
    "AudioBufferManager",
    "BaseConfig",
    "Dumper",
    "ModuleType",
    "ReconnectManager",
    "TimeHelper",
]
