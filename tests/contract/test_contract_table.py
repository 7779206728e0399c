"""docs/contract.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "contract.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TABLE)


def test_every_named_test_exists():
    assert len(NAMED) > 50
    for path, name in NAMED:
        tree = ast.parse((ROOT / path).read_text())
        tests = [
            node.name
            for node in tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        ]
        assert (name in tests) if name else tests, f"{path}::{name}"


def test_every_row_names_a_test():
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if "`tests/" not in row] == []


def test_every_point_and_promise_is_in_the_table():
    first = [line.split("|")[1] for line in TABLE.splitlines() if "|" in line]
    clauses = " ".join(first)
    for promise in ("P2", "P3", "P4", "P6", "P7", "P8", "C2"):
        assert re.search(rf"\b{promise}\b", clauses), promise
    for point in range(1, 11):
        assert any(re.match(rf"\s*{point}\b", cell) for cell in first), point
