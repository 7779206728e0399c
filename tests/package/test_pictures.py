"""Pictures of the documents, and what draws them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from devkit.pictures.scenes import SCENES
from devkit.pictures.terminal import SceneError, Terminal

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"


def test_every_picture_is_shown_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {
        name
        for page in pages
        for name in re.findall(
            r"\((?:docs/)?images/([^)]+)\)", page.read_text(encoding="utf-8")
        )
    }
    assert {path.name for path in IMAGES.iterdir()} == shown
    assert {f"{name}.svg" for name in SCENES} <= shown


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_names_no_machine_and_asks_no_server(name):
    picture = (IMAGES / f"{name}.svg").read_text(encoding="utf-8")
    text = "".join(ET.fromstring(picture).itertext())
    assert text.strip()
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)
    assert "url(http" not in picture


def test_what_a_command_shows_is_drawn(tmp_path):
    said = r"printf '\033[32mgr<e>en\033[0m\n12\r3\n'; read line; echo $line"
    with Terminal(["sh", "-c", said], tmp_path) as terminal:
        terminal.until(lambda text: "32" in text)
        terminal.type("typed\n")
        assert terminal.finish() == 0
        assert terminal.text.split()[0] == "gr<e>en"
        picture = terminal.picture("a & b")
    text = "".join(ET.fromstring(picture).itertext())
    for word in ("gr<e>en", "32", "typed", "a\xa0&\xa0b"):
        assert word in text
    assert "13" not in text


def test_what_does_not_come_about_is_an_error(tmp_path):
    with (
        Terminal(["echo", "no"], tmp_path) as terminal,
        pytest.raises(SceneError, match="no"),
    ):
        terminal.until(lambda text: "yes" in text)
