"""What has been heard, and its files: SubRip, WebVTT and JSON."""

import html
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from pysubs2 import SSAEvent, SSAFile
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from ten_ai_base.struct import ASRResult
from ten_packages.extension.openai_asr_python.realtime import shown

# SubRip has no escapes: of "--->" no arrow may be left, and players obey what
# looks like a tag, in angle brackets or braces, or like a code of SubStation's
# or MicroDVD's within braces, blanks or not.
_ARROW = re.compile("-{2,}>")
_TAG = re.compile(r"<(?=\s*/?\s*(?:b|i|u|s|font)\b)", re.I)
_OVERRIDE = re.compile(r"\{(?=[^}]*[\\:/]|\s*[bius]\s*\})", re.I)
# Some readers take a line with two times for the head of a cue, arrow or not.
_TIME = re.compile(r"(?<=\d):(?=\d\d?[.,]\d)")
#: How files begin that may be written over.
_KINDS = {
    ".srt": rb"\d+\r?\n\d\d:\d\d:\d\d,",
    ".vtt": rb"WEBVTT",
    ".json": rb'\{\s*"text": "[^"\\]*(?:\\.[^"\\]*)*",\s*"results": \[',
}
_REPORT = rb'\{\s*"ending": '
_LOOK_AT = 1 << 24


class Transcript:
    """Collects results: `finals` only grows, interims get replaced."""

    def __init__(self) -> None:
        self.finals: list[ASRResult] = []
        self._interims: dict[str | None, ASRResult] = {}

    def add(self, result: ASRResult) -> None:
        """Take one in.

        A final closes every interim that began before the final's end. Ids
        alone would not do: the TEN base class (0.7) gives the interims of a
        turn that starts early the id of the turn before it.
        """
        if not result.final:
            self._interims[result.id] = result
            return
        end_ms = result.start_ms + max(1, result.duration_ms)
        for key, interim in list(self._interims.items()):
            if interim.start_ms < end_ms:
                del self._interims[key]
        if result.text.strip():
            self.finals.append(result)

    @property
    def end_ms(self) -> int:
        """Up to where all is final."""
        return max((r.start_ms + r.duration_ms for r in self.finals), default=0)

    @property
    def interim_text(self) -> str:
        """The text of all open interims in spoken order."""
        spoken = sorted(self._interims.values(), key=lambda r: r.start_ms)
        return " ".join(filter(None, (r.text.strip() for r in spoken)))


def transcript_text(suffix: str, results: list[ASRResult]) -> str:
    """The text of a transcript file; no text of a result leaves its place."""
    if suffix == ".json":
        turns = [result.model_dump() for result in results]
        text = " ".join(turn["text"].strip() for turn in turns)
        return json_text({"text": text, "results": turns})
    file = SSAFile()
    for cue in cues(results):
        if suffix == ".vtt":
            cue.text = html.escape(cue.text, quote=False)
        else:
            text = _TAG.sub("\u2039", _ARROW.sub("->", cue.text))
            cue.text = _OVERRIDE.sub("\uff5b", text)
        if len(_TIME.findall(cue.text)) > 1:
            cue.text = _TIME.sub("\u2236", cue.text)
        # pysubs2 reads "\N" and "{\…" as SubStation's; no text holds a NUL.
        cue.text = cue.text.replace("\\", "\0")
        file.append(cue)
    text = file.to_string(suffix[1:], keep_ssa_tags=True)
    return text.replace("\0", "\\")


def cues(results: list[ASRResult]) -> list[SSAEvent]:
    """Finals cut into cues of two lines of 42 cells, as broadcasters do.

    A turn's time is shared out by the cells of text.
    """
    events: list[SSAEvent] = []
    for result in results:
        wrapped = Text(shown.one_line(result.text)).wrap(Console(), 42)
        lines = [line.plain.strip() for line in wrapped]
        start, cells, total = result.start_ms, 0, cell_len("".join(lines))
        for at in range(0, len(lines) if total else 0, 2):
            part = lines[at : at + 2]
            cells += cell_len("".join(part))
            end = result.start_ms + result.duration_ms * cells // total
            end = max(start + 1, end)
            events.append(SSAEvent(start, end, "\n".join(part)))
            start = end
    return events


def json_text(body: dict[str, Any]) -> str:
    """A document for people as well: nothing in it does harm."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return shown.harmless_lines(text) + "\n"


def write_transcript(name: str, results: list[ASRResult]) -> None:
    """A transcript file, of the kind that its suffix says.  Raises ``OSError``,
    as `_write` does."""
    suffix = Path(name).suffix.lower()
    _write(name, transcript_text(suffix, results), _KINDS[suffix])


def write_report(name: str, report: dict[str, Any]) -> None:
    """How a run ended.  Raises ``OSError``, as `_write` does."""
    _write(name, json_text(report), _REPORT)


def _write(name: str, text: str, kind: bytes) -> None:
    """Put `text` there in one step, so that no reader sees a part; it is for
    its owner only, as what was said.  A symbolic link is replaced.

    Written over is only what is empty or begins like a `kind`; where something
    else is there, the text is left in a file of another name beside it, which
    the ``OSError`` tells.
    """
    path = Path(name).expanduser().absolute()
    # `mkstemp` makes files that were not there, and nobody else can read.
    number, beside = tempfile.mkstemp(
        prefix=f"{path.stem}-", suffix=path.suffix, dir=path.parent
    )
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text.encode())
    except BaseException:
        os.unlink(beside)
        raise
    try:
        _require_kind(path, kind)
        os.replace(beside, path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{reason}; see {Path(beside).name}") from None


def _require_kind(path: Path, kind: bytes) -> None:
    """Raise ``OSError`` where a file is neither empty nor of the kind that is
    to take its place."""
    if path.is_symlink() or not path.exists():
        return
    begin = b"?"
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(_LOOK_AT)
    if begin and not re.match(kind, begin):
        raise OSError("is something else, and not written over")
