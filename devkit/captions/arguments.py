"""What `python -m devkit.captions` was asked to do."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devkit.demo.arguments import SAMPLE, check_audio
from devkit.demo.service import (
    Service,
    add_service_options,
    port_number,
    read_service,
)
from devkit.usage import Parser, UsageError


@dataclass(frozen=True, repr=False)
class Job(Service):
    """A page's server: on `port` of this machine (0: any free one).

    `audio` is what "play the sample" plays. What the calls leave is kept in
    `keep`, or thrown away. `browser`: open one.
    """

    port: int
    audio: Path
    keep: Path | None
    browser: bool


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Job:
    """Check a command line; `--help` exits as argparse does.

    Raises:
        UsageError: with a line that names the argument or the file.
    """
    options = _parser().parse_args(arguments)
    audio = Path(options.audio).expanduser().absolute()
    check_audio(audio, options.audio)
    return Job(
        **vars(read_service(options, environment)),
        port=options.port or 0,
        audio=audio,
        keep=_check_keep(options.keep),
        browser=not options.no_browser,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m devkit.captions",
        description="Serve a page, to this machine only, that captions what "
        "its microphone hears with the openai_asr_python extension.",
        epilog="Exit status: 0 ended with Ctrl-C, 1 it did not work, 2 wrong "
        "usage, or the port is in use; 130 stopped before it was ready.",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        metavar="N",
        help="port of the page (default: any free one)",
    )
    parser.add_argument(
        "--audio",
        metavar="FILE",
        default=str(SAMPLE),
        help='what "Play the sample" plays: any file that the browser reads '
        "(default: samples/call.wav)",
    )
    parser.add_argument(
        "--keep",
        metavar="DIR",
        help="keep the audio, the session log and the report of each call "
        "in a directory of its own there (default: thrown away at the end)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address"
    )
    add_service_options(parser)
    return parser


def _check_keep(name: str | None) -> Path | None:
    if not name:
        return None
    path = Path(name).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"--keep: {name}: is no directory")
    try:
        for part in (*reversed(path.parents), path):
            # Those between are made by the umask otherwise.
            if not part.exists():
                part.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"--keep: {name}: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise UsageError(f"--keep: {name}: cannot be written")
    return path
