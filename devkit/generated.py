"""Documents that are made from the code, or have a part that is."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def with_part(text: str, begin: str, end: str, part: str) -> str:
    """A document with ``part`` in the place of what is between the marks.

    Raises ValueError where it has no such place.
    """
    block = f"{begin}\n\n{part}\n{end}"
    pattern = re.escape(begin) + ".*?" + re.escape(end)
    new, count = re.subn(pattern, lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"no place for the table: {begin} … {end}")
    return new


def run(
    module: str,
    about: str | None,
    printed: Callable[[], str],
    documents: Callable[[], dict[Path, str]],
) -> int:
    """The command of a module that makes documents; its exit status.

    Without an option it prints one text.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=about
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--write", action="store_true", help="write the files")
    mode.add_argument("--check", action="store_true", help="compare the files")
    options = parser.parse_args()
    if not (options.write or options.check):
        sys.stdout.write(printed())
        return 0
    try:
        wanted = documents()
        stale = [
            path
            for path, text in wanted.items()
            if not path.exists() or path.read_text() != text
        ]
        for path in stale:
            if options.write:
                path.write_text(wanted[path])
            else:
                print(
                    f"{path.relative_to(ROOT)} is not current", file=sys.stderr
                )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if stale and options.check else 0
