"""`python -m devkit.rerun`: see `--help`."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from devkit.bootstrap import ensure_ten
from devkit.demo.word_error_rate import word_error_rate, words_of
from devkit.sessions.lines import RecordingError
from devkit.sessions.recording import Recording, read_recording
from devkit.shown import one_line

if TYPE_CHECKING:
    from .playback import Outcome

_LOCAL_KEY = "sk-local-rerun"


class _UsageError(Exception):
    """A wrong argument or a missing precondition: one line, status 2."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UsageError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a call again; returns the exit status (see `--help`)."""
    try:
        options = _parser().parse_args(arguments)
        if options.realtime and options.speed is not None:
            raise _UsageError("--realtime: cannot be given with --speed")
        speed = 1.0 if options.realtime else options.speed
        key = _key(options.server)
        recording = read_recording(Path(options.log))
        _check_placeholders(recording, options.log)
        audio = recording.audio()
        _describe(recording)
        outcome = _run(recording, audio, options.server, key, speed)
    except (_UsageError, RecordingError) as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    return _conclude(recording, outcome)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m devkit.rerun",
        description="Run a dumped call again through the extension, and "
        "compare the final texts with those of the call.",
        epilog="Exit status: 0 the final texts are the same, 1 they differ "
        "or the run failed, 2 wrong usage or a file is missing or wrong, "
        "130 stopped with Ctrl-C. The key for a remote server is taken from "
        "OPENAI_API_KEY.",
    )
    parser.add_argument(
        "log",
        metavar="LOG.jsonl",
        help="the session log; its audio lies beside it",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        metavar="X",
        help="1 keeps the times of the frames, 2 is twice as fast (default: "
        "as fast as possible)",
    )
    parser.add_argument(
        "--realtime", action="store_true", help="the same as --speed 1"
    )
    parser.add_argument(
        "--server",
        type=_server,
        default="local",
        metavar="local|URL",
        help="local: start the devkit's server with real speech recognition; "
        "or the ws:// or wss:// base URL of another one (default: local)",
    )
    return parser


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 1000:
        raise argparse.ArgumentTypeError(
            f"must be a number from 0.01 to 1000, not {text!r}"
        )
    return speed


def _server(text: str) -> str:
    if text == "local":
        return text
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("ws", "wss") and bool(parts.hostname)
        _ = parts.port  # raises if it is no number up to 65535
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError("must be local or a ws(s):// URL")
    return text


def _key(server: str) -> str:
    """The real key never goes to the server that we start ourselves."""
    if server == "local":
        return _LOCAL_KEY
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    host = urlsplit(server).hostname or ""
    if not key and not _is_loopback(host):
        raise _UsageError(f"OPENAI_API_KEY is not set; {host} needs one")
    return key or _LOCAL_KEY


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_placeholders(recording: Recording, log: str) -> None:
    """No call ran with one.  TEN would fill it in, and what is in the
    environment would be sent."""
    if "${env:" in json.dumps(recording.config):
        raise RecordingError(f"{log}:1: config: found a placeholder ${{env:…}}")


def _describe(recording: Recording) -> None:
    print(
        f"call    {one_line(recording.started)},"
        f" version {one_line(recording.version)},"
        f" {recording.audio_bytes} bytes of audio"
    )
    changes = [
        f"{line.where}: the configuration changed here; the first one is used"
        " throughout"
        for line in recording.lines
        if line.kind == "config"
    ]
    for note in changes + recording.notes:
        print(f"devkit.rerun: {one_line(note)}", file=sys.stderr)


def _run(
    recording: Recording,
    audio: bytes,
    server: str,
    key: str,
    speed: float | None,
) -> Outcome:
    # What TEN and the extension log about the run is not the answer here;
    # the errors are printed at the end.
    os.environ.setdefault("TEN_LOG_LEVEL", "off")
    ensure_ten()
    from .playback import play

    if server != "local":
        return play(recording, audio, server, key, speed)
    from devkit.server import ServerThread

    try:
        local = ServerThread(engine="speech")
    except ImportError as error:
        raise _UsageError(f"the local server: {error}") from None
    with local:
        return play(recording, audio, local.url, key, speed)


def _conclude(recording: Recording, outcome: Outcome) -> int:
    """Print both transcripts; the exit status."""
    before = [text.strip() for text in recording.finals]
    now = [text.strip() for text in outcome.finals]
    print("\nturn    log / this run")
    pairs = zip_longest(before, now)
    for number, (first, second) in enumerate(pairs, start=1):
        mark = " " if first == second else "*"
        print(f"{number:4} {mark}  {_shown_turn(first)}")
        print(f"        {_shown_turn(second)}")
    if not before and not now:
        print("        (no speech)")
    for error in outcome.errors:
        print(f"devkit.rerun: error: {one_line(error)}", file=sys.stderr)
    print(f"\nword error rate against the log: {_rate(before, now)}")
    if outcome.problem:
        sys.stdout.flush()
        return _fail(outcome.problem, 1)
    same = before == now
    print("the final texts are the same" if same else "the final texts differ")
    return 0 if same else 1


def _rate(before: list[str], now: list[str]) -> str:
    reference, hypothesis = " ".join(before), " ".join(now)
    if words_of(reference):
        return f"{word_error_rate(reference, hypothesis):.2f}"
    return "none, the log has no words" if words_of(hypothesis) else "0.00"


def _shown_turn(text: str | None) -> str:
    return "-" if text is None else one_line(text)


def _fail(text: str, status: int) -> int:
    print(f"devkit.rerun: {one_line(text)}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
