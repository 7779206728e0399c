"""Payload of ``asr_result``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ._generation import IS_NEWER


class ASRWord(BaseModel):
    """One word; times in ms of the received audio."""

    word: str
    start_ms: int
    duration_ms: int
    stable: bool


class ASRResult(BaseModel):
    """One interim or final text; times in ms of the received audio.

    With ``words`` left at None the message breaks the declared schema and is
    not sent: give an empty list.
    """

    id: str | None = None
    text: str
    final: bool
    start_ms: int
    duration_ms: int
    language: str
    words: list[ASRWord] | None = None
    metadata: dict[str, Any] = {}


if IS_NEWER:

    class ASRResults(BaseModel):
        """Several results that belong together."""

        results: list[ASRResult]
