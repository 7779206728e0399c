"""The dump of a node: which one is open, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from ..audio_dumper import AudioDumper
from ..config import OpenAIASRConfig
from ..connection.interface import WireTrace
from ..safety.redaction import Redactor


@dataclass(eq=False, repr=False)
class CallDump(WireTrace):
    """Passes on what `AudioDumper` takes while the configuration wants a dump.
    ``on_error`` is told once for each dump that fails, ``on_open`` the path of
    each one's audio; both in the loop.  The redactor always learns what the
    server says."""

    _redactor: Redactor
    _on_error: Callable[[str], None]
    _on_open: Callable[[Path], None]
    dumper: AudioDumper | None = None
    #: By which there is one, or none.
    config: OpenAIASRConfig | None = None
    #: The audio of all that there were, by device and inode.
    _written: set[tuple[int, int]] = field(default_factory=set)

    async def open(self, config: OpenAIASRConfig | None) -> None:
        """Dump as ``config`` says; one that is to be as it is goes on."""
        wanted, self.config = _wanted(self.config), config
        if _wanted(config) != wanted:
            before = self.dumper
            self.dumper = self._begun(config, before)
            if before is not None:
                await before.stop()

    def _begun(
        self, config: OpenAIASRConfig | None, after: AudioDumper | None
    ) -> AudioDumper | None:
        wanted = _wanted(config)
        if config is None or wanted is None:
            return None
        path, texts_kept = wanted
        return AudioDumper(
            path,
            config.shown(),
            self._redactor,
            self._on_error,
            self._on_open,
            texts_kept=texts_kept,
            written=self._written,
            after=after,
        )

    @override
    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        if kind == "received":
            self._redactor.overhear(message)
        if self.dumper is not None:
            self.dumper.message(kind, connection, message)

    @override
    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        if self.dumper is not None:
            self.dumper.note(kind, fields)

    async def stop(self) -> None:
        """Write the rest, as far as the disk answers."""
        if self.dumper is not None:
            await self.dumper.stop()


def _wanted(config: OpenAIASRConfig | None) -> tuple[Path, bool] | None:
    """Where a dump is to be, and whether it holds texts; None: nowhere."""
    if config is None or not config.dump:
        return None
    return config.dump_file(), config.session_log_text == "full"
