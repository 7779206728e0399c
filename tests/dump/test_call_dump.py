"""One dump of a node follows on another; nothing gets lost in between."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig
from ten_packages.extension.openai_asr_python.contract.dump import CallDump
from ten_packages.extension.openai_asr_python.recording import dump_files
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

FRAME = b"\1\0" * 160


def by(path: Path | str, **more: object) -> OpenAIASRConfig:
    return OpenAIASRConfig.model_validate(
        {"api_key": "k" * 30, "dump": True, "dump_path": str(path), **more}
    )


class Dump(CallDump):
    """``paths``: what it opened; ``problems``: what it told."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.problems: list[str] = []
        super().__init__(Redactor(), self.problems.append, self.paths.append)

    def frame(self) -> None:
        assert self.dumper is not None
        self.dumper.frame(FRAME, 16000, 1, 2)


async def test_frames_that_come_in_between_are_in_the_new_one(tmp_path):
    dump = Dump()
    await dump.open(by(tmp_path / "a.pcm"))
    dump.frame()
    change = asyncio.ensure_future(dump.open(by(tmp_path / "b.pcm")))
    frames = 1
    while not change.done():
        await asyncio.sleep(0)
        dump.frame()
        frames += 1
    assert frames > 1
    await dump.stop()
    assert (tmp_path / "a.pcm").read_bytes() == FRAME
    assert (tmp_path / "b.pcm").read_bytes() == FRAME * (frames - 1)
    assert dump.problems == []


@pytest.mark.parametrize("spelling", ["x/../x/a.pcm", "link/a.pcm"])
async def test_what_the_node_wrote_stays_however_its_path_is_spelled(
    tmp_path, spelling
):
    (tmp_path / "link").symlink_to(tmp_path / "x")
    dump = Dump()
    await dump.open(by(tmp_path / "x" / "a.pcm"))
    dump.frame()
    await dump.open(by(f"{tmp_path}/{spelling}"))
    await dump.stop()
    assert (tmp_path / "x" / "a.pcm").read_bytes() == FRAME
    assert [path.name for path in dump.paths] == ["a.pcm", "a-2.pcm"]


async def test_what_a_slow_disk_takes_late_is_not_overwritten(
    tmp_path, monkeypatch
):
    """The first is opened only as the second one waits already."""
    disk, make = threading.Event(), dump_files.make_directory

    def wait_for_the_disk(path: Path) -> None:
        assert disk.wait(20)
        make(path)

    monkeypatch.setattr(dump_files, "make_directory", wait_for_the_disk)
    dump = Dump()
    await dump.open(by(tmp_path / "a.pcm"))
    dump.frame()
    change = asyncio.ensure_future(
        dump.open(by(tmp_path / "a.pcm", session_log_text="none"))
    )
    await asyncio.sleep(0)
    disk.set()
    await change
    await dump.stop()
    sizes = sorted(path.stat().st_size for path in tmp_path.glob("*.pcm"))
    assert sizes == [0, len(FRAME)]
    assert dump.problems == []
