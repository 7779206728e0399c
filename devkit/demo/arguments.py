"""What the demo was asked to do, checked before anything starts."""

import argparse
import ipaddress
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import soundfile  # type: ignore[import-untyped]

from devkit.bootstrap import runtime_is_importable

from .word_error_rate import words_of

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "samples" / "call.wav"
SAMPLE_TEXT = ROOT / "samples" / "call.txt"
OPENAI_URL = "wss://api.openai.com/v1"
LOCAL_KEY = "sk-local-demo"
# What the captions extension writes; it can be read only inside TEN.
SUFFIXES = (".srt", ".vtt", ".json")


class UsageError(Exception):
    """A wrong argument or a missing precondition: one line, status 2."""


@dataclass(frozen=True)
class Job:
    """One run of the demo.

    `url` is None for the local server, which is then started on `port`
    (0 = any free one) with `server_options`. `fallback` is "local", the base
    URL of another one, or "" for none; `fallback_key` is its key. `runtime`
    is "ten" or "standin". Keys are left out of the repr.
    """

    audio: Path
    audio_note: str
    url: str | None
    port: int
    fallback: str
    fallback_key: str
    output: Path | None
    reference: str | None
    speed: float
    model: str
    language: str
    keywords: str
    server_options: tuple[str, ...]
    color: bool
    runtime: str
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Job({self.audio!s}, {self.url or 'local'})"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Job:
    """Check a command line; `--help` exits as argparse does.

    Raises:
        UsageError: with a line that names the argument or the file.
    """
    options = _parser().parse_args(arguments)
    audio = Path(options.audio).expanduser().absolute()
    note = _check_audio(audio, options.audio)
    url = _check_server(options.server)
    if options.port is not None and url is not None:
        raise UsageError("--port: only the local server has one")
    fallback = options.fallback
    if fallback not in ("", "local"):
        fallback = _check_server(fallback, "--fallback") or ""
    if options.model_dir and url is not None:
        raise UsageError("--model-dir: only the local server has one")
    text = Path(options.text).expanduser() if options.text else None
    if text is None and SAMPLE.exists() and audio.samefile(SAMPLE):
        text = SAMPLE_TEXT
    return Job(
        audio=audio,
        audio_note=note,
        url=url,
        port=options.port or 0,
        fallback=fallback,
        fallback_key=_key_of_fallback(environment, fallback),
        output=_check_output(options.output),
        reference=_read_reference(text) if text is not None else None,
        speed=options.speed,
        model=options.model,
        language=options.language,
        keywords=options.keywords,
        server_options=_server_options(options),
        color=not (options.no_color or environment.get("NO_COLOR")),
        runtime=_check_runtime(options.runtime),
        environment=_with_key(environment, url),
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
        "--server",
        metavar="local|openai|URL",
        default="local",
        help="local: start the devkit's server (needs no key); openai: "
        "OpenAI with OPENAI_API_KEY; ws:// or wss:// base URL of another "
        "one (default: local)",
    )
    parser.add_argument(
        "--fallback",
        metavar="local|openai|URL",
        default="",
        help="a second server, for when the first one gives no service; "
        "local: another one of the devkit's (default: none)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write the transcript; the suffix chooses the format: "
        + ", ".join(SUFFIXES),
    )
    parser.add_argument(
        "--text",
        metavar="FILE",
        help="what is really said; prints the word error rate "
        "(default for the sample: samples/call.txt)",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="1 is real time, 2 twice as fast (default: 1)",
    )
    parser.add_argument(
        "--model",
        default="gpt-live-transcribe",
        help="transcription model (default: gpt-live-transcribe)",
    )
    parser.add_argument(
        "--language",
        default="en",
        help="language hint, and the local server's model (default: en)",
    )
    parser.add_argument(
        "--keywords",
        default="",
        metavar="WORDS",
        help="words to expect, with commas between them (the local server "
        "makes no use of them)",
    )
    parser.add_argument(
        "--model-dir",
        metavar="DIR",
        help="another Moonshine model for the local server",
    )
    parser.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="port of the local server (default: any free one)",
    )
    parser.add_argument(
        "--runtime",
        choices=("ten", "standin"),
        help="run on TEN or on the devkit's stand-in for it (default: TEN "
        "where it is importable)",
    )
    parser.add_argument(
        "--no-color", action="store_true", help="no colours (also: NO_COLOR)"
    )
    return parser


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.01 <= speed <= 1000:
        raise argparse.ArgumentTypeError(
            f"must be a number from 0.01 to 1000, not {text!r}"
        )
    return speed


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"must be a number from 1 to 65535, not {text!r}"
    )


def _check_runtime(wanted: str | None) -> str:
    """The one that runs: "ten" or "standin"."""
    there = runtime_is_importable()
    if wanted == "ten" and not there:
        raise UsageError("--runtime: ten: no TEN runtime is importable")
    return wanted or ("ten" if there else "standin")


def _check_audio(path: Path, name: str) -> str:
    """A note on the file's contents, for the first lines on display."""
    if not path.exists():
        raise UsageError(f"--audio: {name}: no such file")
    if path.is_dir():
        raise UsageError(f"--audio: {name}: is a directory, not a file")
    _refuse_pipe("--audio", path)
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


def _key_of_fallback(environment: Mapping[str, str], fallback: str) -> str:
    if not fallback:
        return ""
    url = None if fallback == "local" else fallback
    return _with_key(environment, url)["OPENAI_API_KEY"]


def _check_server(server: str, option: str = "--server") -> str | None:
    """The base URL, None for the local server."""
    if server == "local":
        return None
    if server == "openai":
        return OPENAI_URL
    try:
        parts = urlsplit(server)
        valid = parts.scheme in ("ws", "wss") and bool(parts.hostname)
        _ = parts.port  # raises if it is no number up to 65535
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            f"{option}: must be local, openai or a ws:// or wss:// URL"
        )
    return server


def _server_options(options: argparse.Namespace) -> tuple[str, ...]:
    """What the local server is started with."""
    chosen = ["--engine", "speech"]
    if options.language != "en":
        chosen += ["--language", options.language]
    if options.model_dir:
        # The server runs in another directory.
        directory = Path(options.model_dir).expanduser().absolute()
        chosen += ["--model-dir", str(directory)]
    return tuple(chosen)


def _with_key(
    environment: Mapping[str, str], url: str | None
) -> dict[str, str]:
    """The environment for the app, with the right OPENAI_API_KEY.

    The real key never goes to the server that we start ourselves.
    """
    changed = dict(environment)
    if url is None:
        changed["OPENAI_API_KEY"] = LOCAL_KEY
    elif not changed.get("OPENAI_API_KEY", "").strip():
        if not _is_loopback(urlsplit(url).hostname or ""):
            raise UsageError(
                f"OPENAI_API_KEY is not set; {urlsplit(url).hostname} "
                "needs one (--server local does not)"
            )
        changed["OPENAI_API_KEY"] = LOCAL_KEY
    return changed


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_output(name: str | None) -> Path | None:
    if not name:
        return None
    path = Path(name).expanduser().absolute()
    if path.suffix.lower() not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        raise UsageError(
            f"--output: {name}: unknown suffix {path.suffix!r}, "
            f"use one of {allowed}"
        )
    if path.is_dir():
        raise UsageError(f"--output: {name}: is a directory, not a file")
    _refuse_pipe("--output", path)
    if not path.parent.is_dir():
        raise UsageError(f"--output: {path.parent}: no such directory")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"--output: {name}: cannot be written")
    try:
        # Permission bits do not tell about read-only file systems.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"--output: {name}: cannot be written ({error.strerror})"
        ) from None
    return path


def _refuse_pipe(option: str, path: Path) -> None:
    """To open a pipe may take for ever, and of a device there is no end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UsageError(f"{option}: {path}: is a pipe or a device, not a file")


def _read_reference(path: Path) -> str:
    _refuse_pipe("--text", path)
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
