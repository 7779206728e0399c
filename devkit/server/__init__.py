"""A local realtime transcription server that speaks OpenAI's dialect.

``python -m devkit.server`` runs it; tests use `LocalServer` (asyncio) or
`ServerThread`. Faults are part of the API: `Faults`.
"""

from .errors import ApiError
from .faults import Faults
from .local import LocalServer
from .records import CommitRecord, EventRecord, ItemRecord, SessionRecord
from .thread import ServerThread

__all__ = [
    "ApiError",
    "CommitRecord",
    "EventRecord",
    "Faults",
    "ItemRecord",
    "LocalServer",
    "ServerThread",
    "SessionRecord",
]
