"""What turns audio into text: the interface of the engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .vad import EnergyVad, Vad
from .wire_audio import Int16Array


@dataclass(frozen=True, slots=True)
class Word:
    """``start`` and ``end`` in samples of what the engine was given."""

    text: str
    start: int
    end: int


class Stream(Protocol):
    """Recognition of one item while its audio still comes in."""

    async def feed(self, samples: Int16Array) -> str:
        """Take audio; returns text to append to what was returned so far."""

    async def finish(self) -> str:
        """End of the item: its whole text. No call may follow."""

    def abandon(self) -> None:
        """The item will not be needed. Allowed at any time."""
        return


class Engine(Protocol):
    """Shared by all sessions of a server, used from one event loop.

    Who derives from these has nothing to load or to release at first.
    """

    def warm_up(self) -> None:
        """Begin to load what is slow to load; does not block."""
        return

    async def transcribe(self, samples: Int16Array, rate: int) -> str:
        """The text of a whole item: int16 mono samples at ``rate`` Hz."""

    async def words(self, samples: Int16Array, rate: int) -> list[Word] | None:
        """The words of `transcribe` with their times; None: this engine knows
        none, whatever it is given."""
        return None

    def stream(self, rate: int) -> Stream: ...

    def detector(
        self,
        turn_detection: dict[str, Any],
        rate: int,
        position: int,
        boundary: int,
    ) -> Vad:
        """What finds the turns of a session: parameters of `EnergyVad`, which
        it is where the engine has no better one."""
        return EnergyVad(turn_detection, rate, position, boundary)

    def close(self) -> None:
        """Release threads and memory."""
        return


def engine_named(
    name: str, language: str = "en", model_dir: str | None = None
) -> Engine:
    """``speech`` or ``script``; language and directory of the model are the
    former's. Raises ValueError for other names or if the model is not there,
    and ImportError if the recogniser's package is missing."""
    if name == "script":
        from .script_engine import ScriptEngine

        return ScriptEngine()
    if name == "speech":
        from .speech_engine import SpeechEngine

        return SpeechEngine(language, model_dir)
    raise ValueError(f"engine {name!r} is none of speech, script")
