"""Transcript files: SubRip (.srt), WebVTT (.vtt) and JSON (.json)."""

import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pysubs2 import SSAEvent, SSAFile
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from ten_packages.extension.openai_asr_python.realtime.shown import (
    harmless_lines,
    one_line,
)

from .transcript import Result

# SubRip has no escapes: of "--->" no arrow may be left, and players obey
# what looks like a style.
_ARROW = re.compile("-{2,}>")
_STYLE = re.compile(r"(<(?=\s*/?\s*(?:b|i|u|s|font)\b)|\{(?=\\))", re.I)


def transcript_text(suffix: str, results: Iterable[Result]) -> str:
    """The text of a transcript file; no text of a result leaves its place."""
    if suffix == ".json":
        turns = [result.model_dump(exclude={"final"}) for result in results]
        text = " ".join(turn["text"].strip() for turn in turns)
        return json_text({"text": text, "results": turns})
    file = SSAFile()
    for cue in cues(results):
        if suffix == ".vtt":
            cue.text = html.escape(cue.text, quote=False)
        else:
            cue.text = _STYLE.sub(r"\1 ", _ARROW.sub("->", cue.text))
        # pysubs2 reads "\N" and "{\…" as SubStation's; no text holds a NUL.
        cue.text = cue.text.replace("\\", "\0")
        file.append(cue)
    text = file.to_string(suffix[1:], keep_ssa_tags=True)
    return text.replace("\0", "\\")


def cues(results: Iterable[Result]) -> list[SSAEvent]:
    """Finals cut into cues of two lines of 42 cells, as broadcasters do.

    Their times are those of the words, where the service sends these; else
    the turn's time is shared out by the cells of text.
    """
    events: list[SSAEvent] = []
    for result in results:
        text = Text(one_line(result.text))
        lines = [line.plain.strip() for line in text.wrap(Console(), 42)]
        parts = [lines[at : at + 2] for at in range(0, len(lines), 2)]
        timed = len(result.words) == len(" ".join(lines).split())
        starts, words, cells = [result.start_ms], 0, 0
        for part in parts[:-1]:
            words += len(" ".join(part).split())
            cells += cell_len("".join(part))
            passed_ms = result.duration_ms * cells // text.cell_len
            start = result.start_ms + passed_ms
            if timed:
                start = result.words[words].start_ms
            starts.append(max(starts[-1] + 1, start))
        ends = [*starts[1:], result.end_ms]
        events += [
            SSAEvent(start, max(start + 1, end), "\n".join(part))
            for start, end, part in zip(starts, ends, parts, strict=False)
            if any(part)
        ]
    return events


def json_text(body: Mapping[str, Any]) -> str:
    """A document for people as well: nothing in it does harm."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return harmless_lines(text) + "\n"


def write_transcript(path: str, results: Iterable[Result]) -> None:
    """Write a file in the format that its suffix names."""
    suffix = Path(path).suffix.lower()
    replace_file(path, transcript_text(suffix, results))


def replace_file(name: str, text: str) -> None:
    """Put `text` there in one step, so that no reader sees a part."""
    path = Path(name).expanduser()
    data = text.encode("utf-8", "replace")
    if path.exists() and not path.is_file():
        with path.open("wb") as pipe:
            pipe.write(data)
        return
    path = path.resolve()  # write through a symbolic link
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
