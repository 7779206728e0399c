"""Every setting is in the README's table, and is of use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rooms import rooms
from ten_packages.extension.openai_asr_python.config import (
    SECTIONS,
    FallbackConfig,
    OpenAIASRConfig,
)
from test_readme_locales import configuration_keys

ROOT = Path(__file__).resolve().parents[2]
FIELDS = OpenAIASRConfig.model_fields
#: Written with a dot before them; those of noise reduction share a row.
INNER = {
    name
    for section in ("input_audio_transcription", "turn_detection")
    for name in SECTIONS[section].model_fields
}
#: What is told beside the name of its section.
TOLD = {"type", "enabled"}
#: Read by the code, all together.
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [
        *ROOT.glob("*.py"),
        *(p for room in rooms() for p in (ROOT / room).rglob("*.py")),
    ]
)


def test_the_table_has_every_setting_and_no_other():
    shown = set(configuration_keys())
    wanted = {*FIELDS} | {f".{name}" for name in INNER - TOLD}
    assert wanted - shown == set()
    # Other spellings, and what the base class reads.
    other = {"key", "base_url", "url", "hotwords", "auto_connect"}
    assert shown - wanted - other == set()


@pytest.mark.parametrize("name", sorted({*FIELDS, *INNER}))
def test_a_setting_does_something(name):
    """Somebody asks for it, beyond the place where it is declared."""
    assert re.search(rf"""[."]{name}\b""", SOURCE)


def test_the_fallbacks_fields_are_named():
    row = next(
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith("| `fallbacks` |")
    )
    named = set(re.findall(r"`(\w+)`", row)) | {"websocket_base_url"}
    assert set(FallbackConfig.model_fields) - named == set()


def test_the_page_on_turn_detection_names_settings():
    page = (ROOT / "docs" / "turn_detection.md").read_text()
    table = page.partition("|---|---|---|\n")[2].partition("\n\n")[0]
    names = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert names
    assert set(names) - {*FIELDS, *INNER} == set()
