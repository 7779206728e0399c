"""``python -m devkit.hosts [TESTS]``: see ``--help``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devkit.bootstrap import runtime_is_importable

from .outcomes import FILE
from .report import HOSTS, Run, differences, read_run, report

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("tests/contract", "tests/extension")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m devkit.hosts",
        description="Run the tests of the contract with TEN on the stand-in "
        "and on the real TEN runtime, and print what differs.",
        epilog="Exit status: 0 no test ended differently, 1 some did, 2 "
        "there is no TEN runtime to compare with.",
    )
    parser.add_argument(
        "tests",
        nargs="*",
        default=TESTS,
        metavar="TESTS",
        help=f"files or directories (default: {' '.join(TESTS)})",
    )
    options = parser.parse_args(arguments)
    if not runtime_is_importable():
        print(
            "devkit.hosts: no TEN runtime is importable; there is nothing to "
            "compare the stand-in with",
            file=sys.stderr,
        )
        return 2
    runs = {host: run_tests(host, options.tests) for host in HOSTS}
    print(report(**runs), end="")
    return 1 if differences(**runs) else 0


def run_tests(host: str, tests: Sequence[str]) -> Run:
    """Run the tests on ``host``; its output goes to stderr."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outcomes.jsonl"
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "--no-header"),
                *("-p", "devkit.hosts.outcomes"),
                *("-p", "no:cacheprovider", *tests),
            ],
            cwd=ROOT,
            env={**os.environ, "DEVKIT_RUNTIME": host, FILE: str(path)},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )
        return read_run(path)


if __name__ == "__main__":
    sys.exit(main())
