"""What a ``TenEnv`` belongs to."""

from enum import IntEnum


class _TenEnvAttachTo(IntEnum):
    """The owners of an environment that this stand-in knows."""

    INVALID = 0
    EXTENSION = 1
    ADDON = 2
    APP = 3
