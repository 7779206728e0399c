"""Transcript files: SubRip (.srt), WebVTT (.vtt) and JSON (.json)."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ten_packages.extension.openai_asr_python.realtime.shown import (
    harmless_lines,
)

from .cues import cues
from .transcript import Result

# Replacing "-->" alone would leave one of "--->".
_ARROW = re.compile("-{2,}>")
#: What begins a style in SubRip: HTML's for fonts, and those of SubStation.
_STYLE = re.compile(r"<(?=\s*/?\s*(?:b|i|u|s|font)\b)|\{(?=\\)", re.I)


def to_srt(finals: Sequence[Result]) -> str:
    """SubRip: numbered cues, times with a comma before the ms."""
    blocks = [
        f"{number}\n"
        f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "\n".join(map(_srt_text, cue.lines))
        + "\n"
        for number, cue in enumerate(cues(finals), 1)
    ]
    return "\n".join(blocks)


def _srt_text(line: str) -> str:
    """SubRip has no escapes, but players obey ``<b>`` and ``{\\an8}``."""
    line = _ARROW.sub("->", line)
    return _STYLE.sub(lambda match: match[0][0] + " ", line)


def to_vtt(finals: Sequence[Result]) -> str:
    """WebVTT (W3C): `&`, `<` and `>` of the text become entities."""
    blocks = [
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        + "\n".join(map(_vtt_text, cue.lines))
        + "\n"
        for cue in cues(finals)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def to_json(finals: Sequence[Result]) -> str:
    """`{"text": all, "results": [...]}`; times are ms of audio."""
    body = {
        "text": " ".join(result.text.strip() for result in finals),
        "results": [
            {
                "id": result.id,
                "text": result.text,
                "start_ms": result.start_ms,
                "duration_ms": result.duration_ms,
                "end_ms": result.end_ms,
                "language": result.language,
                "words": [
                    {
                        "word": word.text,
                        "start_ms": word.start_ms,
                        "duration_ms": word.duration_ms,
                    }
                    for word in result.words
                ],
                "metadata": dict(result.metadata),
            }
            for result in finals
        ],
    }
    return json_text(body)


def json_text(body: Mapping[str, Any]) -> str:
    """`body` as a document for people as well: nothing in it does harm."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return harmless_lines(text) + "\n"


FORMATS: dict[str, Callable[[Sequence[Result]], str]] = {
    ".srt": to_srt,
    ".vtt": to_vtt,
    ".json": to_json,
}


def check_suffix(path: Path) -> None:
    """Raise ValueError if the suffix names no format we write."""
    if path.suffix.lower() not in FORMATS:
        allowed = ", ".join(FORMATS)
        raise ValueError(
            f"{path}: unknown suffix {path.suffix!r}, use one of {allowed}"
        )


def write(path: Path, finals: Sequence[Result]) -> None:
    """Write the transcript in the format that the suffix names.

    The file is replaced as a whole, so that a reader never sees a part.

    Raises:
        ValueError: for an unknown suffix.
        OSError: if the file cannot be written.
    """
    check_suffix(path)
    replace_file(path, FORMATS[path.suffix.lower()](finals))


def replace_file(path: Path, text: str) -> None:
    """Put `text` (UTF-8) at `path` in one step.

    Something that is no regular file (a pipe, /dev/stdout) is written to
    directly, since it cannot be replaced.
    """
    data = text.encode("utf-8", "replace")
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            stream.write(data)
        return
    path = path.resolve()  # write through a symbolic link
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _clock(ms: int, separator: str) -> str:
    seconds, milliseconds = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{milliseconds:03d}"
    )


def _vtt_text(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
