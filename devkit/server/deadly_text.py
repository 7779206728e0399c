"""The fault ``drop_text``: a connection that dies of what is said."""

from __future__ import annotations

from .context import ServerContext
from .engine import Stream
from .settings import SessionSettings
from .wire_audio import WireDecoder


class DeadlyText:
    """Hears the audio of one connection, if the fault asks for it."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._settings: SessionSettings | None = None
        self._decoder: WireDecoder | None = None
        self._stream: Stream | None = None
        self._said = ""

    async def is_said(self, data: bytes, settings: SessionSettings) -> bool:
        """Does the audio, with these bytes at its end, say the text?"""
        deadly = self._context.faults.drop_text
        if not deadly:
            self.abandon()
            return False
        if self._settings is None or self._settings.format != settings.format:
            self.abandon()
            self._settings = settings
        if self._stream is None or self._decoder is None:
            self._decoder = WireDecoder(settings.format["type"])
            self._stream = self._context.engine.stream(settings.rate)
        samples = self._decoder.decode(data)
        self._said += await self._stream.feed(samples)
        return deadly in self._said

    def abandon(self) -> None:
        """Nothing more will come, or it is not to be heard."""
        if self._stream is not None:
            self._stream.abandon()
        self._stream, self._said = None, ""
