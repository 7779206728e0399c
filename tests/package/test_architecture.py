"""docs/architecture.md is true: its drawing, its owners, its recipes."""

from __future__ import annotations

import re

import pytest
from rooms import ROOT, modules, rooms
from test_rooms import MAY_USE, everything

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    part = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in ln[1:-1].split("|")] for ln in lines[1:]]


RECIPES = rows("Where to change what")


@pytest.mark.parametrize("recipe", RECIPES, ids=[row[0] for row in RECIPES])
def test_a_recipe_names_all_files_and_no_others(recipe):
    _, places, example = recipe
    files = re.findall(r"`([\w/]+\.py)`", places)
    assert 1 <= len(files) <= 3
    for file in files:
        assert (ROOT / file).is_file(), file
    word = re.compile(rf"(?<![\w-]){re.escape(example.strip('`'))}(?![\w-])")
    found = {
        str(path.relative_to(ROOT))
        for _, path in modules()
        if word.search(path.read_text(encoding="utf-8"))
    }
    assert found
    assert found <= set(files)


def test_the_drawing_shows_every_room_and_no_way_that_is_closed():
    drawing = TEXT.split("```mermaid\n")[1].split("```")[0]
    shown = set(re.findall(r"\b([a-z_]+)/", drawing))
    assert shown == set(rooms())
    names = {"client": "openai_asr_client"}
    arrows = re.findall(r"^ +(\w+)(?:\[.*?\])? --> (\w+)", drawing, re.M)
    assert len(arrows) > 10
    for start, end in arrows:
        if "TEN" in start or "AI" in end:
            continue
        below = everything([names.get(start, start)])
        assert f".{names.get(end, end)}" in below, (start, end)


def test_who_owns_what_is_a_class():
    code = "\n".join(path.read_text(encoding="utf-8") for _, path in modules())
    owners = rows("Who owns what")
    assert owners
    for _, owner in owners:
        for name in re.findall(r"`(\w+)`", owner):
            assert f"class {name}" in code, name


def test_there_are_few_words_to_learn():
    assert len(rows("Words")) <= 25


def test_each_module_of_the_core_may_be_read_at_one_sitting():
    for path in (ROOT / "realtime").glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 350, path
        starts = [n for n, line in enumerate(lines) if re.match(r"\S", line)]
        for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
            if lines[start].startswith("class "):
                assert end - start <= 252, lines[start]


def test_the_room_of_a_permission_exists():
    roots = {path.stem for path in ROOT.glob("*.py")}
    assert set(MAY_USE) == set(rooms()) | roots
