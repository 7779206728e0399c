"""`python -m devkit.doctor`: see `--help`."""

from __future__ import annotations

import argparse
import functools
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from devkit.bootstrap import ensure_standin
from devkit.usage import Parser, UsageError, number_from

from .checks import Check, Report
from .machine import check_packages, check_python, check_runtime
from .view import Terminal, as_json, complain, takes_color

_MOST_S = 300.0
#: What stands for the sample, where --audio has no file.
_SAMPLE = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at everything; returns the exit status (see `--help`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(_parser().parse_args(arguments))
    except UsageError as error:
        complain(_one_line(str(error)))
        return 2
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    except BrokenPipeError:  # as of `| head`; nor is the rest to be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # what is printed cannot be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        complain(error.strerror or type(error).__name__)
        return 1


def _run(options: argparse.Namespace) -> int:
    terminal = Terminal(
        io.StringIO() if options.json else sys.stdout,
        color=not options.json and takes_color(sys.stdout),
        verbose=options.verbose,
    )
    # Before the stand-in takes its name.
    runtime = check_runtime()
    look = _prepare(options)
    report = Report(terminal.show, terminal.begin)
    report.begin("Machine")
    report.add(check_python())
    for check in (*check_packages(), runtime):
        report.add(check)
    look(report)
    if options.json:
        print(as_json(report), flush=True)
    else:
        terminal.conclude(report)
    return 0 if report.ok else 1


def _prepare(options: argparse.Namespace) -> Callable[[Report], None]:
    """What needs the package itself, and so its packages."""
    ensure_standin()
    try:
        from .examination import Wishes, examine
        from .round_trip import SAMPLE, read_speech
        from .source import find_node
    except Exception as error:
        # Whatever a package of a wrong version raises.
        return functools.partial(_cannot_import, error)
    node = find_node(options.config, options.graph, options.node)
    speech = None
    if options.audio is not None:
        named = options.audio != _SAMPLE
        speech = read_speech(Path(options.audio) if named else SAMPLE)
    wishes = Wishes(options.timeout, options.offline, speech)
    return functools.partial(examine, node, wishes)


def _cannot_import(error: Exception, report: Report) -> None:
    report.begin("Configuration")
    text = f"the extension cannot be imported: {error!r}"
    step = "install the packages above, and run it again"
    report.add(Check("extension", "failed", text, step))


def _one_line(text: str) -> str:
    try:
        from devkit.shown import told

        return told(text)
    except Exception:
        return text.encode("ascii", "backslashreplace").decode()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m devkit.doctor",
        description="Why does it not hear me? Look at the machine, a node's"
        " configuration, the network, key and model, and name what is wrong"
        " with the next step. No audio is sent but with --audio.",
        epilog="Exit status: 0 nothing failed (there may be warnings), 1"
        " something failed, 2 wrong usage or a file that cannot be used, 130"
        " stopped with Ctrl-C.",
    )
    add = parser.add_argument
    add(
        "config",
        nargs="?",
        metavar="GRAPH_OR_PROPERTY.json",
        help="a TEN app's property.json or directory, a graph, or a node's"
        " property (default: the package's own property.json, with"
        " OPENAI_API_KEY)",
    )
    add("--graph", default="", metavar="NAME", help="of several graphs, this")
    add("--node", default="", metavar="NAME", help="of several nodes, this")
    add(
        "--offline",
        action="store_true",
        help="look at nothing beyond this machine",
    )
    add(
        "--audio",
        nargs="?",
        const=_SAMPLE,
        metavar="FILE",
        help="send up to 8 s of a file (default: samples/call.wav) and show"
        " the text; the service bills them",
    )
    add(
        "--timeout",
        type=number_from(0.1, _MOST_S),
        default=15.0,
        metavar="S",
        help="limit of each step of the network, in seconds (default: 15)",
    )
    add(
        "--verbose",
        "--all",
        action="store_true",
        help="show fields with defaults, versions and what the service is"
        " told as well",
    )
    add("--json", action="store_true", help="one JSON object, and no text")
    return parser


if __name__ == "__main__":
    # Closed ones are None.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    # What TEN and the extension log is no answer here.
    os.environ.setdefault("TEN_LOG_LEVEL", "off")
    status = main()
    sys.stdout.flush()
    # A look-up of a name that hangs must not keep the process.
    os._exit(status)
