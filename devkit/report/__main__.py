"""`python -m devkit.report`: see `--help`."""

from __future__ import annotations

import argparse
import functools
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devkit.sessions.lines import RecordingError
from devkit.shown import one_line
from devkit.usage import Parser, UsageError, fail, number_from

#: A report is known by its first bytes.
_LOOK_AT = 2048
_fail = functools.partial(fail, "devkit.report")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a report; returns the exit status (see `--help`)."""
    try:
        options = _parser().parse_args(arguments)
        if len(options.logs) > 2:
            raise UsageError("LOG.jsonl: at most two can be compared")
        logs = [Path(log) for log in options.logs]
        target = _target(options.output, logs)
        if target is not None:
            check_target(target, options.force)
        write_page(
            make_page(logs, options),
            target,
        )
    except (UsageError, RecordingError) as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(
            f"{error.filename or 'the page'}: {error.strerror}",
            1,
        )
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    if target is not None:
        print(f"written to {one_line(str(target))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m devkit.report",
        description="Make one self-contained HTML page of a dumped call, or "
        "of two runs of a call that are compared.",
        epilog="Exit status: 0 the page is written, 1 it could not be, 2 "
        "wrong usage or a file is missing or no session log, 130 stopped "
        "with Ctrl-C.",
    )
    parser.add_argument(
        "logs",
        nargs="+",
        metavar="LOG.jsonl",
        help="the session log, its audio lies beside it; a second one is "
        "compared with the first",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE.html",
        help="where to (default: LOG.html beside the log); - is standard "
        "output",
    )
    add_page_options(parser)
    return parser


def add_page_options(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
) -> None:
    """What a page is to have, and whether it may go there."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="write over a file that is no report",
    )
    parser.add_argument(
        "--redact",
        action="store_true",
        help="leave out what was said: texts, audio and its shape",
    )
    parser.add_argument(
        "--no-audio", action="store_true", help="nothing to play"
    )
    parser.add_argument(
        "--audio-limit",
        type=number_from(0, 1440, "minutes"),
        default=90.0,
        metavar="MINUTES",
        help="of longer calls nothing can be played (default: 90; an hour "
        "makes the page 19 MB larger)",
    )
    parser.add_argument(
        "--price",
        type=_price,
        action="append",
        default=[],
        metavar="MODEL=USD",
        help="the price of a model, in US dollars a minute; may be given "
        "several times",
    )


def make_page(logs: Sequence[Path], options: argparse.Namespace) -> str:
    """The page of the logs; raises `RecordingError`."""
    # What they import takes a second, which a wrong option need not wait for.
    from .page import page_of
    from .session import Wishes, read_session

    wishes = Wishes(
        audio=not options.no_audio,
        audio_limit_min=options.audio_limit,
        redacted=options.redact,
        prices=dict(options.price),
    )
    return page_of([read_session(log, wishes) for log in logs])


def _price(text: str) -> tuple[str, float]:
    model, _, price = text.rpartition("=")
    number = _number(price)
    if not model or not 0 <= number <= 1000:
        raise argparse.ArgumentTypeError(
            f"must be MODEL=USD_PER_MINUTE, not {text!r}"
        )
    return model, number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _target(output: str | None, logs: list[Path]) -> Path | None:
    """Where the page goes; None is standard output."""
    if output == "-":
        return None
    return Path(output) if output else logs[0].with_suffix(".html")


def check_target(target: Path, force: bool) -> None:
    """Raise `UsageError` if the page may not go there."""
    from .kind import BEGIN

    if target.is_dir():
        raise UsageError(f"{target}: is a directory")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such directory")
    if target.exists() and not target.is_file():
        raise UsageError(f"{target}: is no file")
    if force or not target.exists():
        return
    with target.open("rb") as file:
        begin = file.read(_LOOK_AT)
    if begin and not BEGIN.match(begin):
        raise UsageError(f"{target}: is no report; --force writes over it")


def write_page(page: str, target: Path | None) -> None:
    """Write it whole or not at all, for its owner only: it has what was said,
    as the dump has it."""
    data = page.encode("utf-8", "replace")
    if target is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    # `mkstemp` makes files that nobody else can read.
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".report-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


if __name__ == "__main__":
    sys.exit(main())
