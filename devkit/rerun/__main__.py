"""`python -m devkit.rerun`: see `--help`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import glob
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from devkit.bootstrap import ensure_ten
from devkit.demo.word_error_rate import word_error_rate, words_of
from devkit.report.__main__ import (
    check_target,
    make_page,
    write_page,
)
from devkit.sessions.lines import RecordingError
from devkit.sessions.recording import Recording, read_recording
from devkit.shown import one_line
from devkit.usage import UsageError, fail

from .arguments import key_for, parser
from .changes import Wishes, parse_change
from .show import show

if TYPE_CHECKING:
    from .playback import Outcome
_fail = functools.partial(fail, "devkit.rerun")
#: Levels of a configuration; the extension takes 20 in `session`.
_DEEPEST = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a call again; returns the exit status (see `--help`)."""
    # What TEN and the extension log about the run is not the answer here; the
    # errors are printed at the end. TEN reads this when it is imported.
    os.environ.setdefault("TEN_LOG_LEVEL", "off")
    try:
        options = parser().parse_args(arguments)
        if options.realtime and options.speed is not None:
            raise UsageError("--realtime: cannot be given with --speed")
        if options.show:
            print(show(Path(options.log)))
            return 0
        if options.page:
            if options.page == "-":
                raise UsageError("--page: must be a file")
            check_target(Path(options.page), options.force)
        key = key_for(options.server)
        recording = read_recording(Path(options.log))
        _check_config(recording, options.log)
        audio = recording.audio()
        _describe(recording)
        with contextlib.ExitStack() as stack:
            directory = options.dump
            if options.page and not directory:
                directory = stack.enter_context(tempfile.TemporaryDirectory())
            wishes = _wishes(options, directory)
            outcome = _run(recording, audio, options.server, key, wishes)
            if options.page:
                _write_page(options, Path(directory), outcome)
    except (UsageError, RecordingError) as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    except OSError as error:
        name = error.filename or options.page
        return _fail(f"{name}: {error.strerror}", 1)
    return _conclude(recording, outcome)


def _wishes(options: argparse.Namespace, directory: str | None) -> Wishes:
    changes = list(options.changes)
    if options.model:
        changes.append(parse_change(f"model={json.dumps(options.model)}"))
    dump = None
    if directory:
        name = f"{Path(options.log).stem}-rerun.pcm"
        dump = Path(directory).absolute() / name
    speed = 1.0 if options.realtime else options.speed
    return Wishes(speed, tuple(changes), dump)


def _write_page(
    options: argparse.Namespace, directory: Path, outcome: Outcome
) -> None:
    # Where that name was somebody else's, the dump has got another one.
    logs = directory.glob(f"{glob.escape(Path(options.log).stem)}-rerun*.jsonl")
    newest = max(logs, key=lambda log: log.stat().st_mtime_ns, default=None)
    if newest is None:
        outcome.problem = outcome.problem or "this run left no dump"
        return
    page = make_page([Path(options.log), newest], options)
    write_page(page, Path(options.page))
    print(f"page    {one_line(options.page)}")


def _check_config(recording: Recording, log: str) -> None:
    """No call ran with a placeholder.  TEN would fill it in, and what is in the
    environment would be sent.  It takes backslashes out before it looks for the
    scope, so whatever has the form of one is refused."""
    where = f"{log}:1: config"
    # No recursion: how deep a log is nested is up to who wrote it.
    left: list[tuple[object, int]] = [(recording.config, 0)]
    while left:
        item, level = left.pop()
        inner: list[object] = []
        if isinstance(item, dict):
            inner = [*item, *item.values()]
        elif isinstance(item, list):
            inner = item
        elif isinstance(item, str):
            whole = item.startswith("${") and item.endswith("}")
            if whole or "${env:" in item:
                raise RecordingError(f"{where}: found a placeholder ${{…}}")
        if inner and level == _DEEPEST:
            raise RecordingError(
                f"{where}: found more than {_DEEPEST} levels of nesting"
            )
        left += [(other, level + 1) for other in inner]


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
    wishes: Wishes,
) -> Outcome:
    ensure_ten()
    from .playback import play, problem_of

    problem = problem_of(recording, wishes) if wishes.changes else ""
    if problem:
        raise UsageError(f"--set: {problem}")
    if server != "local":
        return play(recording, audio, server, key, wishes)
    from devkit.server import ServerThread

    try:
        local = ServerThread(engine="speech")
    except ImportError as error:
        raise UsageError(f"the local server: {error}") from None
    with local:
        return play(recording, audio, local.url, key, wishes)


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


if __name__ == "__main__":
    sys.exit(main())
