"""``python -m devkit.host APP_DIR [--graph NAME] [--check]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from devkit.parent import END_WITH_INPUT, interrupt_after_input
from devkit.usage import Parser, UsageError, fail

from . import run_app


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser(
        prog="devkit.host",
        description="Run a TEN app directory on the stand-in TEN runtime. "
        "As on TEN, the working directory of the run is APP_DIR.",
        epilog="Exit status: 0 ok, 1 the run failed, or a "
        "node gave up or could not transcribe all, or a connection is for a "
        "message that an end of it does not know, 2 the app, its graph or "
        "the usage is wrong; 130 after a second Ctrl-C. "
        "TEN_LOG_LEVEL=debug|info|warning|error sets what is logged "
        "on stderr (default warning).",
    )
    parser.add_argument(
        "app_dir",
        metavar="APP_DIR",
        type=Path,
        help="directory with manifest.json (type app) and property.json",
    )
    parser.add_argument(
        "--graph",
        metavar="NAME",
        help="predefined graph to run (default: those with auto_start)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only validate the app, import its addons, and tell what there "
        "is: the properties of our extension as it reads them itself, and the "
        "names of messages in connections as manifests declare them",
    )
    parser.add_argument(
        END_WITH_INPUT,
        action="store_true",
        help="the end of standard input is as Ctrl-C",
    )
    try:
        parsed = parser.parse_args(arguments)
    except UsageError as error:
        return fail("devkit.host", str(error), 2)
    try:
        if parsed.end_with_input:
            interrupt_after_input()
        return run_app(parsed.app_dir, parsed.graph, parsed.check)
    except KeyboardInterrupt:  # while loading: nothing runs yet
        return 130
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
