"""Every setting is in the README's table, and is of use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from rooms import rooms
from ten_packages.extension.openai_asr_python.call.call import client_settings
from ten_packages.extension.openai_asr_python.config import (
    FIXED_FIELDS,
    LOCAL_FIELDS,
    SECTIONS,
    FallbackConfig,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from test_readme_locales import NAMES, configuration_keys, configuration_rows

ROOT = Path(__file__).resolve().parents[2]
FIELDS = OpenAIASRConfig.model_fields
#: Written with a dot before them; those of noise reduction share a row.
INNER = {
    name: field
    for section in ("input_audio_transcription", "turn_detection")
    for name, field in SECTIONS[section].model_fields.items()
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
    wanted = {*FIELDS} | {f".{name}" for name in INNER.keys() - TOLD}
    assert wanted - shown == set()
    # Other spellings, and what the base class reads.
    other = {"key", "base_url", "url", "hotwords", "auto_connect"}
    assert shown - wanted - other == set()


#: By its name in the table.
TABLE = {**FIELDS, **{f".{name}": field for name, field in INNER.items()}}


def bounds(field: FieldInfo) -> str:
    """As the table has them, "" for none."""
    found = {
        end: getattr(rule, end)
        for rule in field.metadata
        for end in ("ge", "le")
        if hasattr(rule, end)
    }
    return f" ({found['ge']}–{found['le']})" if found else ""


@pytest.mark.parametrize("locale", NAMES)
def test_the_table_has_the_defaults_and_bounds_of_the_code(locale):
    """Where the default is a word, a translation may have it too."""
    compared = set()
    for named, cell, _ in configuration_rows(locale):
        found = re.findall(r"`(\.?\w+)`", named)
        names = [name for name in found if name in TABLE]
        for name, shown in zip(names, cell.split(", "), strict=False):
            field = TABLE[name]
            if isinstance(field.default, bool):
                assert shown.strip("`") == str(field.default).lower(), name
            elif isinstance(field.default, int | float):
                assert shown == f"{field.default}{bounds(field)}", name
            elif isinstance(field.default, str) and field.default:
                assert shown == f"`{field.default}`", name
            else:
                assert shown.endswith(bounds(field)), name
                continue
            compared.add(name)
    plain = (bool, int, float, str)
    wanted = {
        name
        for name, field in TABLE.items()
        if isinstance(field.default, plain) and field.default != ""
    }
    assert wanted - compared - {".enabled"} == set()


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


#: What a call under way is given anew, each with another value of it, and
#: what it needs besides. `update_configs` is confirmed by the service.
CHANGES = {
    "api_key": ("sk-other", {}),
    "organization": ("o", {}),
    "project": ("p", {}),
    "websocket_base_url": ("wss://other.example/v1", {}),
    "transport": ("http", {"model": "gpt-4o-transcribe"}),
    "auth": ("api-key", {}),
    "model_in_url": (True, {"base_url": "wss://other.example/v1"}),
    "headers": ({"X-Team": "t"}, {}),
    "query": ({"team": "t"}, {}),
    "ca_file": ("ca.pem", {}),
    "fallbacks": ([{"model": "gpt-4o-transcribe"}], {}),
    "input_audio_transcription": ({"language": "de"}, {}),
    "turn_detection": ({"type": "none"}, {"model": "gpt-4o-transcribe"}),
    "input_audio_noise_reduction": ({"type": "near_field"}, {}),
    "include": (["logprobs"], {"model": "gpt-4o-transcribe"}),
    "timestamps": (True, {"transport": "http", "model": "whisper-1"}),
    "session": ({"tracing": "auto"}, {}),
}
#: It is only asked for where a configuration is checked.
ONLY_CHECKED = {"allow_insecure"}


def test_what_becomes_of_an_update_is_known_of_every_setting():
    """Else one that has no effect in a call would be answered `applied`: put
    it into FIXED_FIELDS or LOCAL_FIELDS of config.py, or above."""
    kinds = [{*FIXED_FIELDS}, LOCAL_FIELDS, CHANGES.keys(), ONLY_CHECKED]
    assert set().union(*kinds) == set(FIELDS)
    assert sum(map(len, kinds)) == len(FIELDS)


@pytest.mark.parametrize("name", CHANGES)
def test_an_update_of_it_reaches_the_client(name):
    value, besides = CHANGES[name]
    plain = {"api_key": "sk", **besides}
    before, after = (
        client_settings(load_config({"params": params})[0])
        for params in (plain, {**plain, name: value})
    )
    # They are equal where the same service is dialed in the same way.
    assert (before, before.session, before.fallbacks) != (
        after,
        after.session,
        after.fallbacks,
    )
