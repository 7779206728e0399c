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
    #: What the present one is to hold, and where; None: there is none.
    _wanted: tuple[Path, bool] | None = None
    #: The audio of all that there were.
    _written: set[Path] = field(default_factory=set)

    async def open(self, config: OpenAIASRConfig) -> None:
        """Dump as ``config`` says; one that is to be as it is goes on."""
        texts_kept = config.session_log_text == "full"
        wanted = (config.dump_file(), texts_kept) if config.dump else None
        if wanted == self._wanted:
            return
        await self.stop()
        self.dumper, self._wanted = None, wanted
        if wanted is not None:
            self.dumper = AudioDumper(
                wanted[0],
                config.shown(),
                self._redactor,
                self._on_error,
                self._note_path,
                texts_kept=texts_kept,
                spared=self._written.copy(),
            )

    def _note_path(self, path: Path) -> None:
        self._written.add(path)
        self._on_open(path)

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
