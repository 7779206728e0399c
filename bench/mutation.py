"""python -m bench.mutation: are breaks of `realtime/` noticed by tests/core?

mutmut lists every small break of the functions in `realtime/` (a comparison,
a sign, a constant, an argument, an assignment); dropped calls are added.
--seed draws --count of them; each is put into a copy of the checkout, where
tests/core runs.  A break that makes it hang is noticed as well.

Exit status: 0 at least 90 % are noticed, 1 fewer are, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue

import libcst as cst
from mutmut.mutation.file_mutation import Mutation, MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).resolve().parent.parent
#: So many run at once, each in a copy of its own.  A run that takes
#: `PATIENCE` times as long as without a break hangs.
WORKERS, PATIENCE, ENOUGH = 2, 4, 0.9
#: Some breaks never stop to append: so there is a limit, in KiB.
#: -B: a break may have the size and the second of the one before it.
TESTS = (
    "ulimit -v 4000000 2>/dev/null; exec >/dev/null 2>&1"
    ' "$0" -B -m pytest tests/core -x -q -p no:cacheprovider'
)
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".*_cache", "build")


class Break:
    """One of mutmut's mutations: the file without it and with it."""

    def __init__(
        self, path: str, whole: str, module: cst.Module, mutation: Mutation
    ):
        self.path, self._module, self._mutation = path, module, mutation
        self.whole = whole

    @cached_property
    def code(self) -> str:
        old, new = self._mutation.original_node, self._mutation.mutated_node
        changed = self._module.deep_replace(old, new)
        assert isinstance(changed, cst.Module)
        return changed.code

    def __str__(self) -> str:
        lines = self.whole.splitlines(), self.code.splitlines()
        head, *diff = list(unified_diff(*lines, n=0, lineterm=""))[2:]
        line = head.split()[1].lstrip("-").partition(",")[0]
        return "\n".join((f"{self.path}:{line}", *diff))


def _drop_call(node: cst.Expr) -> Iterable[cst.BaseSmallStatement]:
    """mutmut has no such break."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def breaks_of(path: Path) -> Iterator[Break]:
    """All breaks of the functions in a file, in its order."""
    operators = [*mutation_operators, (cst.Expr, _drop_call)]
    visitor = MutationVisitor(operators, IgnoredCode(set(), set(), set()))
    whole = path.read_text()
    module = cst.MetadataWrapper(cst.parse_module(whole)).visit(visitor)
    name = path.relative_to(ROOT).as_posix()
    for mutation in visitor.mutations:
        old = mutation.original_node
        place = mutation.contained_by_top_level_function
        text = isinstance(old, cst.SimpleString) and " " in old.value
        # Neither what runs on import, as with mutmut, nor words for people.
        if isinstance(place, cst.FunctionDef) and not text:
            yield Break(name, whole, module, mutation)


def run_tests(copy: Path, timeout: float | None = None) -> bool:
    """Does tests/core pass in a copy?"""
    command = ["sh", "-c", TESTS, sys.executable]
    with subprocess.Popen(command, cwd=copy, start_new_session=True) as process:
        try:
            return process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return False


def survivors_of(sample: list[Break], directory: Path) -> Iterable[Break]:
    """Those that the tests do not notice, as they are found."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for copy in (directory / str(number) for number in range(WORKERS)):
        shutil.copytree(ROOT, copy, symlinks=True, ignore=_NOT_COPIED)
        copies.put(copy)
    began = time.monotonic()
    if not run_tests(copy):
        raise SystemExit("tests/core fails without any break")
    timeout = PATIENCE * (time.monotonic() - began)

    def passes(broken: Break) -> bool:
        copy = copies.get()
        (copy / broken.path).write_text(broken.code)
        passed = run_tests(copy, timeout)
        (copy / broken.path).write_text(broken.whole)
        copies.put(copy)
        return passed

    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(passes, sample)
        for broken, passed in zip(sample, found, strict=True):
            if passed:
                yield broken


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.mutation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    options = parser.parse_args(arguments)
    files = sorted((ROOT / "realtime").glob("*.py"))
    breaks = [found for file in files for found in breaks_of(file)]
    if not 0 < options.count <= len(breaks):
        parser.error(f"--count: from 1 to {len(breaks)}")
    sample = random.Random(options.seed).sample(breaks, options.count)
    noticed = len(sample)
    with tempfile.TemporaryDirectory() as directory:
        for survivor in survivors_of(sample, Path(directory)):
            noticed -= 1
            print(f"survived: {survivor}", flush=True)
    print(f"{noticed} of {len(sample)} noticed (of {len(breaks)} breaks)")
    return 0 if noticed >= ENOUGH * len(sample) else 1


if __name__ == "__main__":
    sys.exit(main())
