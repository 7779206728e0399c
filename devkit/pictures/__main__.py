"""``python -m devkit.pictures [NAME …]``: draw docs/images/NAME.svg anew."""

from __future__ import annotations

import argparse
import sys

from devkit.shown import harmless_lines

from .scenes import ROOT, SCENES
from .terminal import SceneError

IMAGES = ROOT / "docs" / "images"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m devkit.pictures",
        description="Run what the pictures in docs/images show, and draw them "
        "anew.",
        epilog="Exit status: 0 ok, 1 a scene went wrong, 2 wrong usage.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        choices=[[], *SCENES],
        help=f"one of {', '.join(SCENES)} (default: all)",
    )
    for name in parser.parse_args(arguments).names or SCENES:
        try:
            picture = SCENES[name]()
        except SceneError as error:
            print(harmless_lines(f"{name}: {error}"), file=sys.stderr)
            return 1
        (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")
        print(f"docs/images/{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
