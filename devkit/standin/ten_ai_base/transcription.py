"""Transcripts as data structures of the older interface."""

from __future__ import annotations

from pydantic import BaseModel


class Word(BaseModel):
    """One word; times in ms."""

    word: str
    start_ms: int = 0
    duration_ms: int = 0
    stable: bool = False


class UserTranscription(BaseModel):
    """A piece of what the user said; times in ms."""

    object: str = "user.transcription"
    text: str
    final: bool
    start_ms: int
    duration_ms: int
    language: str
    words: list[Word] | None = None
