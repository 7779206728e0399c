"""What is asked of the HTTP endpoint for files, ``/audio/transcriptions``.

Sources: the type descriptions of the ``openai`` package 3.57.0 and OpenAI's
guide "Speech to text", both as of November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .models import ModelProfile

#: The endpoint takes files of up to 25 MB.
MAX_FILE = 25 * 1024 * 1024
#: Without compression a second of speech has so many bytes for each Hz.
SAMPLE_BYTES = 2

#: Headers that a file has of its own, in lower case.
OF_FILES = ("accept-encoding", "content-encoding", "content-type")

FileFormat = Literal["json", "verbose_json", "diarized_json"]


@dataclass(frozen=True)
class FileRequest:
    """How a turn is asked for, beside the session's settings.

    ``stream``: the text comes in pieces.  ``words``: with the times of words.
    ``chunks``: the service may cut it, as a diarizing model must beyond 30 s.
    """

    response_format: FileFormat = "json"
    stream: bool = False
    words: bool = False
    chunks: bool = False


def file_request(profile: ModelProfile, *, timestamps: bool) -> FileRequest:
    """What a model gives: only some know speakers, or the times of words."""
    if profile.speakers:
        return FileRequest("diarized_json", profile.file_stream, chunks=True)
    if timestamps and profile.word_times:
        return FileRequest("verbose_json", words=True)
    return FileRequest(stream=profile.file_stream)
