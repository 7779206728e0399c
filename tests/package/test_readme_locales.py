"""The README's translations keep step with the README."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCALES = ("zh-CN", "zh-TW", "ja-JP", "ko-KR")
NAMES = {
    "en-US": "English",
    "zh-CN": "简体中文",
    "zh-TW": "繁體中文",
    "ja-JP": "日本語",
    "ko-KR": "한국어",
}
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
# A span of code; `\|` inside a table is an escaped bar.
CODE = re.compile(r"`([^`\n]+)`")


def path_of(locale: str) -> Path:
    if locale == "en-US":
        return ROOT / "README.md"
    return ROOT / "docs" / f"README.{locale}.md"


def text_of(locale: str) -> str:
    return path_of(locale).read_text(encoding="utf-8")


def headings(text: str) -> list[int]:
    """The levels of the headings, in order."""
    prose = FENCE.sub("", text)
    return [len(m[1]) for m in re.finditer(r"^(#{1,6}) ", prose, re.M)]


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in titles
    }


def rows(text: str) -> list[str]:
    """All table rows, heads and rules included, in order."""
    return [line for line in text.splitlines() if line.startswith("|")]


def commands(text: str) -> list[str]:
    """The indented commands, without their comments."""
    indented = re.findall(r"^ {4}(\S.*)$", FENCE.sub("", text), re.MULTILINE)
    return [line.split("#")[0].strip() for line in indented]


def configuration_rows(locale: str) -> list[list[str]]:
    """The cells of the table of settings, without its head."""
    lines = text_of(locale).splitlines()
    start = next(n for n, x in enumerate(lines) if x.startswith("| `api_key`"))
    shown = itertools.takewhile(lambda x: x.startswith("|"), lines[start:])
    return [[c.strip() for c in re.split(r"(?<!\\)\|", x)[1:-1]] for x in shown]


def configuration_keys() -> list[str]:
    """All names in backticks in the first column of the README's table."""
    return [
        name
        for first, *_ in configuration_rows("en-US")
        for name in CODE.findall(first)
    ]


def test_the_readme_is_read_as_expected():
    text = text_of("en-US")
    assert headings(text)[:2] == [1, 2]
    assert len(rows(text)) > 40
    assert "make demo" in commands(text)
    keys = configuration_keys()
    assert len(keys) > 30
    assert {"api_key", "key", ".model", "max_turn_ms"} <= set(keys)


@pytest.mark.parametrize("locale", LOCALES)
def test_headings_are_the_same(locale):
    assert headings(text_of(locale)) == headings(text_of("en-US"))


@pytest.mark.parametrize("locale", LOCALES)
def test_table_rows_are_the_same(locale):
    ours, theirs = rows(text_of(locale)), rows(text_of("en-US"))
    # The code in a row is no matter of language: names, defaults, values.
    for row, original in zip(ours, theirs, strict=False):
        assert sorted(CODE.findall(row)) == sorted(CODE.findall(original)), row
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("locale", LOCALES)
def test_every_configuration_key_is_mentioned(locale):
    mentioned = set(CODE.findall(text_of(locale)))
    assert [n for n in configuration_keys() if n not in mentioned] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_code_is_the_same(locale):
    text, original = text_of(locale), text_of("en-US")
    assert FENCE.findall(text) == FENCE.findall(original)
    assert commands(text) == commands(original)


@pytest.mark.parametrize("locale", LOCALES)
def test_links_lead_to_the_same_places(locale):
    def targets(of: str) -> list[str]:
        page = path_of(of)
        found = []
        for target in re.findall(r"\]\(([^)\s]+)\)", text_of(of)):
            if "://" in target:
                found.append(target)
                continue
            name, hash_, anchor = target.partition("#")
            place = (page.parent / name).resolve()
            assert place.is_file(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(place), f"{page.name}: {target}"
            if not place.name.startswith("README."):
                found.append(f"{place.relative_to(ROOT)}{hash_}{anchor}")
        return sorted(found)

    assert targets(locale) == targets("en-US")


@pytest.mark.parametrize("locale", NAMES)
def test_the_language_switch_leads_to_all_others(locale):
    line = text_of(locale).splitlines()[2 if locale == "en-US" else 0]
    page = path_of(locale)
    entries = line.split(" · ")
    assert len(entries) == len(NAMES)
    for entry, (other, name) in zip(entries, NAMES.items(), strict=True):
        if other == locale:
            assert entry == name
        else:
            link = re.fullmatch(r"\[(.+)\]\((.+)\)", entry)
            assert link is not None, entry
            assert link[1] == name
            assert (page.parent / link[2]).resolve() == path_of(other)


def test_the_manifest_names_every_locale():
    manifest = json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["readme"]["locales"] == {
        locale: {"import_uri": str(path_of(locale).relative_to(ROOT))}
        for locale in NAMES
    }
