"""Is what the commands import there?  With the standard library alone.

It is not where somebody runs one with another Python than that of `.venv`,
and then a line tells more than a traceback.
"""

from __future__ import annotations

import importlib.util
import sys

#: They tell it themselves, or do without.
_WITHOUT = ("devkit.doctor", "devkit.host")
#: Those of requirements-demo.txt that no command does without.
NEEDED = (
    "h11",
    "jinja2",
    "jiwer",
    "multipart",
    "numpy",
    "pydantic",
    "pysubs2",
    "rich",
    "soundfile",
    "soxr",
    "typing_extensions",
    "websockets",
)


def check_packages() -> None:
    """End a command, `python -m devkit.…`, that could not begin: status 2."""
    # Before its module is found a command line has this in place of a file.
    if sys.argv[:1] != ["-m"] or "-m" not in sys.orig_argv:
        return
    command = sys.orig_argv[sys.orig_argv.index("-m") + 1]
    missing = [n for n in NEEDED if importlib.util.find_spec(n) is None]
    if command in _WITHOUT or not missing:
        return
    print(
        f"{command}: not installed in {sys.executable}: {', '.join(missing)};"
        f" `make demo` installs all in .venv: run .venv/bin/python -m"
        f" {command}, or pip install -r requirements-demo.txt",
        file=sys.stderr,
    )
    raise SystemExit(2)
