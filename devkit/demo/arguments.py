"""What the demo was asked to do, checked before anything starts."""

import argparse
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import soundfile  # type: ignore[import-untyped]

from devkit.report.kind import BEGIN
from devkit.usage import Parser, UsageError, number_from

from .service import (
    ROOT,
    Service,
    add_service_options,
    port_number,
    read_service,
    refuse_pipe,
)
from .word_error_rate import words_of

SAMPLE = ROOT / "samples" / "call.wav"
SAMPLE_TEXT = ROOT / "samples" / "call.txt"
# What the captions extension writes; it can be read only inside TEN.
SUFFIXES = (".srt", ".vtt", ".json")
#: How the files begin that may be written over.
_KINDS = {
    ".srt": re.compile(rb"\d+\r?\n\d\d:\d\d:\d\d,"),
    ".vtt": re.compile(rb"WEBVTT"),
    ".json": re.compile(
        rb'\{\s*"text": "[^"\\]*(?:\\.[^"\\]*)*",\s*"results": \['
    ),
    ".html": BEGIN,
}
_LOOK_AT = 1 << 24


@dataclass(frozen=True, repr=False)
class Job(Service):
    """One run of the demo.

    The local server is started on `port` (0 = any free one). Keys are left out
    of the repr.
    """

    audio: Path
    audio_note: str
    port: int
    output: Path | None
    report: Path | None
    turn_detection: str
    reference: str | None
    speed: float
    color: bool

    def __repr__(self) -> str:
        return f"Job({self.audio!s}, {self.url or 'local'})"


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Job:
    """Check a command line; `--help` exits as argparse does.

    Raises:
        UsageError: with a line that names the argument or the file.
    """
    options = _parser().parse_args(arguments)
    audio = Path(options.audio).expanduser().absolute()
    note = check_audio(audio, options.audio)
    service = read_service(options, environment)
    if options.port is not None and service.url is not None:
        raise UsageError("--port: only the local server has one")
    text = Path(options.text).expanduser() if options.text else None
    if text is None and SAMPLE.exists() and audio.samefile(SAMPLE):
        text = SAMPLE_TEXT
    return Job(
        **vars(service),
        audio=audio,
        audio_note=note,
        port=options.port or 0,
        output=_check_output("--output", options.output, SUFFIXES),
        report=_check_output("--report", options.report, (".html",)),
        turn_detection=options.turn_detection or "",
        reference=_read_reference(text) if text is not None else None,
        speed=options.speed,
        color=not (options.no_color or environment.get("NO_COLOR")),
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m devkit.demo",
        description="Play an audio file like a live call into the "
        "openai_asr_python extension and show live captions.",
        epilog="Exit status: 0 the transcript was produced, 1 it was not "
        "(or only a part), 2 wrong usage, 130 stopped with Ctrl-C.",
    )
    parser.add_argument(
        "--audio",
        metavar="FILE",
        default=str(SAMPLE),
        help="wav, flac, ogg, mp3, … (default: samples/call.wav)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write the transcript; the suffix chooses the format: "
        + ", ".join(SUFFIXES),
    )
    parser.add_argument(
        "--report",
        metavar="FILE.html",
        help="write the report of the call, a page to look at (docs/report.md)",
    )
    parser.add_argument(
        "--turn-detection",
        choices=("server_vad", "semantic_vad", "local", "none"),
        help="who ends a turn (default: what fits the model)",
    )
    parser.add_argument(
        "--text",
        metavar="FILE",
        help="what is really said; prints the word error rate "
        "(default for the sample: samples/call.txt)",
    )
    parser.add_argument(
        "--speed",
        type=number_from(0.01, 1000),
        default=1.0,
        metavar="X",
        help="1 is real time, 2 twice as fast (default: 1)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        metavar="N",
        help="port of the local server (default: any free one)",
    )
    parser.add_argument(
        "--no-color", action="store_true", help="no colours (also: NO_COLOR)"
    )
    add_service_options(parser)
    return parser


def check_audio(path: Path, name: str) -> str:
    """A note on the file's contents, for the first lines on display."""
    if not path.exists():
        raise UsageError(f"--audio: {name}: no such file")
    if path.is_dir():
        raise UsageError(f"--audio: {name}: is a directory, not a file")
    refuse_pipe("--audio", path)
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # ValueError: a name that is no UTF-8.
        reason = getattr(error, "error_string", "") or str(error)
        reason = " ".join(str(reason).split()).rstrip(".")
        raise UsageError(
            f"--audio: {name}: not an audio file that can be read ({reason})"
        ) from None
    if info.frames <= 0:
        raise UsageError(f"--audio: {name}: contains no audio")
    channels = {1: "mono", 2: "stereo"}.get(
        info.channels, f"{info.channels} channels"
    )
    return f"{info.duration:.1f} s, {info.samplerate} Hz, {channels}"


def _check_output(
    option: str, name: str | None, suffixes: Sequence[str]
) -> Path | None:
    if not name:
        return None
    path = Path(name).expanduser().absolute()
    if path.suffix.lower() not in suffixes:
        allowed = ", ".join(suffixes)
        raise UsageError(
            f"{option}: {name}: unknown suffix {path.suffix!r}, "
            f"use one of {allowed}"
        )
    if path.is_dir():
        raise UsageError(f"{option}: {name}: is a directory, not a file")
    refuse_pipe(option, path)
    if not path.parent.is_dir():
        raise UsageError(f"{option}: {path.parent}: no such directory")
    if path.is_symlink():
        raise UsageError(f"{option}: {name}: is a symbolic link, not a file")
    if path.exists():
        if not os.access(path, os.W_OK):
            raise UsageError(f"{option}: {name}: cannot be written")
        if not _may_go(path):
            raise UsageError(
                f"{option}: {name}: is something else by now, and not written"
                " over; remove it, or name another file"
            )
    try:
        # Permission bits do not tell about read-only file systems.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"{option}: {name}: cannot be written ({error.strerror})"
        ) from None
    return path


def _may_go(path: Path) -> bool:
    """Is a file empty, or of the kind that is to take its place?"""
    with path.open("rb") as file:
        begin = file.read(_LOOK_AT)
    kind = _KINDS[path.suffix.lower()]
    return not begin or kind.match(begin) is not None


def _read_reference(path: Path) -> str:
    refuse_pipe("--text", path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"--text: {path}: no such file") from None
    except OSError as error:
        raise UsageError(f"--text: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--text: {path}: is not UTF-8 text") from None
    if not words_of(text):
        raise UsageError(f"--text: {path}: contains no words")
    return text
