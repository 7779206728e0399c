"""The rooms of the package, and which of them a module uses."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_SHIPPED = {"bench", "build", "devkit", "examples", "samples", "tests"}


def rooms() -> list[str]:
    """The packages that are shipped."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    return sorted(found - NOT_SHIPPED)


def modules() -> Iterator[tuple[str, Path]]:
    """Each shipped module, with the room (or module of the root) it is in."""
    for path in sorted(ROOT.glob("*.py")):
        yield path.stem, path
    for room in rooms():
        for path in sorted((ROOT / room).rglob("*.py")):
            yield room, path


def uses(path: Path) -> Iterator[str]:
    """What a module imports: rooms and modules of ours as ``.name``, others
    by the name of their package; nothing of the standard library."""
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [(node.module or "").split(".")[0]]
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            named = [node.module] if node.module else None
            names = [
                "." + name.split(".")[0]
                for name in named or [alias.name for alias in node.names]
            ]
        else:
            # Its own room's.
            names = []
        for name in names:
            if name not in sys.stdlib_module_names:
                yield name
