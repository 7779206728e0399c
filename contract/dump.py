"""The dump of a node: which one is open, and what goes into its log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ten_ai_base.const import LOG_CATEGORY_KEY_POINT

from ..audio_dumper import AudioDumper
from ..config import OpenAIASRConfig
from ..safety.redaction import Redactor
from .log import ExtensionLog


class CallDump:
    """Does nothing while the configuration wants no dump.

    ``on_error`` is told once for each dump that fails, in the loop.
    """

    def __init__(
        self,
        redactor: Redactor,
        log: ExtensionLog,
        on_error: Callable[[str], None],
    ) -> None:
        self._redactor = redactor
        self._log = log
        self._on_error = on_error
        #: It looks on at the wire as well.
        self.dumper: AudioDumper | None = None

    async def open(self, config: OpenAIASRConfig) -> None:
        """Dump as ``config`` says; the same file is not begun anew."""
        path = config.dump_file() if config.dump else None
        if self.dumper is not None and self.dumper.path != path:
            # Of a call that was given up.
            await self.dumper.stop()
            self.dumper = None
        if path is not None and self.dumper is None:
            self.dumper = AudioDumper(
                path,
                config.shown(),
                self._redactor,
                self._on_failure,
                self._on_open,
            )

    def frame(
        self, data: bytes | bytearray, rate: int, channels: int, width: int
    ) -> None:
        """A frame as it came, as `AudioDumper.frame` has it."""
        if self.dumper is not None:
            self.dumper.frame(data, rate, channels, width)

    def note(self, kind: str, **fields: Any) -> None:
        """A line for the session log."""
        if self.dumper is not None:
            self.dumper.note(kind, fields)

    async def stop(self) -> None:
        """Write the rest, as far as the disk answers."""
        if self.dumper is not None:
            await self.dumper.stop()

    def _on_failure(self, problem: str) -> None:
        self._log.warn(problem)
        self._on_error(problem)

    def _on_open(self, path: Path) -> None:
        self._log.info(f"dump: {path}", LOG_CATEGORY_KEY_POINT)
