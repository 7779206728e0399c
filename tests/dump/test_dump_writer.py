"""`AudioDumper` by itself: bursts, hanging disks, cancellation, names."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from dumped_call import (
    SlowDisk,
    fill_the_disk,
    lines_of,
    logged_bytes,
    of_kind,
)
from ten_packages.extension.openai_asr_python.audio_dumper import AudioDumper
from ten_packages.extension.openai_asr_python.recording import dump_files
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

ROOT = Path(__file__).parents[2]


class Dump:
    """A dumper and the errors it told."""

    def __init__(self, path: Path) -> None:
        self.errors: list[str] = []
        self.paths: list[Path] = []
        before = set(threading.enumerate())
        self.writer = AudioDumper(
            path, {"a": 1}, Redactor(), self.errors.append, self.paths.append
        )
        (self.thread,) = set(threading.enumerate()) - before


def count(folder: Path) -> int:
    """How many have their own name by now."""
    return sum(not path.name.startswith(".") for path in folder.iterdir())


async def files(folder: Path, wanted: int) -> None:
    """Until there are so many files: they are opened in a thread."""
    for _ in range(1_000_000):
        if count(folder) >= wanted:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"only {count(folder)} files")


async def test_a_burst_is_written_in_order(tmp_path):
    path = tmp_path / "x.pcm"
    dump = Dump(path)
    pieces = [bytes([n % 256]) * (1 + n % 997) for n in range(4000)]
    for piece in pieces:
        dump.writer.frame(piece, 16000, 1, 2)
    await dump.writer.stop()
    assert dump.errors == []
    assert path.read_bytes() == b"".join(pieces)
    assert logged_bytes(lines_of(path)) == path.stat().st_size


async def test_a_flood_of_the_service_is_counted_and_not_logged(tmp_path):
    """To write it all would take the interpreter from the calls."""
    path = tmp_path / "x.pcm"
    dump = Dump(path)
    message = '{"type":"x","delta":"' + "d" * 1000 + '"}'
    for _ in range(5000):
        dump.writer.message("received", 2, message)
    dump.writer.message("sent", 2, '{"type":"mine"}')
    await dump.writer.stop()
    assert dump.errors == []
    lines = lines_of(path)
    events = [line["event"] for line in lines if line["kind"] == "received"]
    floods = [event for event in events if "messages" in event]
    assert {line["connection"] for line in lines if "connection" in line} == {2}
    whole = len(events) - len(floods)
    assert 100 < whole < 4000
    assert whole + sum(event["messages"] for event in floods) == 5000
    missing = len(message) * (5000 - whole)
    assert sum(event["bytes"] for event in floods) == missing
    assert [line for line in lines if line["kind"] == "sent"] != []


async def test_planar_frames_are_written_side_by_side(tmp_path):
    path = tmp_path / "x.pcm"
    dump = Dump(path)
    dump.writer.frame(b"aAbBcCdD", 16000, 2, 2, True)
    dump.writer.frame(b"abcd", 16000, 2, 1, True)
    # One that was cut in two.
    dump.writer.frame(b"aAb", 16000, 2, 2, True)
    dump.writer.frame(b"BcCdD", 16000, 2, 2, True)
    # What no channel of it has is in the way of no other frame.
    dump.writer.frame(b"abcde", 16000, 2, 2, True)
    # What says too little stays as it is.
    dump.writer.frame(b"xyz", 16000, 0, 0, True)
    dump.writer.frame(b"abcd", 16000, 2, -1, True)
    dump.writer.frame(b"ABCDE", 16000, 4, 1, True)
    await dump.writer.stop()
    assert dump.errors == []
    parts = b"aAcCbBdD", b"acbd", b"aAcCbBdD", b"abcd", b"xyz", b"abcd", b"ABCD"
    assert path.read_bytes() == b"".join(parts)
    lines = lines_of(path)
    assert logged_bytes(lines) == path.stat().st_size
    sizes = [line["bytes"] for line in of_kind(lines, "frames")]
    assert sizes == [len(part) for part in parts]


async def test_stop_twice_and_frames_after_it_do_nothing(tmp_path):
    path = tmp_path / "x.pcm"
    dump = Dump(path)
    dump.writer.frame(b"ab", 0, 0, 0)
    await dump.writer.stop()
    dump.writer.frame(b"cd", 0, 0, 0)
    dump.writer.note("late", {})
    await dump.writer.stop()
    assert path.read_bytes() == b"ab"
    assert of_kind(lines_of(path), "late") == []


async def test_a_call_without_audio_leaves_an_empty_file_and_a_header(
    tmp_path,
):
    path = tmp_path / "x.pcm"
    await Dump(path).writer.stop()
    assert path.read_bytes() == b""
    assert [line["kind"] for line in lines_of(path)] == ["session", "end"]


async def test_a_hanging_disk_is_given_up_at_a_bound(tmp_path, monkeypatch):
    path = tmp_path / "x.pcm"
    disk = SlowDisk(monkeypatch)
    dump = Dump(path)
    frame = bytes(64 * 1024)
    for _ in range(1000):
        dump.writer.frame(frame, 16000, 1, 2)
    await asyncio.sleep(0)
    (error,) = dump.errors
    assert error == f"cannot write the audio dump {path}: the disk is too slow"
    assert dump.writer._added - dump.writer._written <= 8 * 1024 * 1024
    assert not dump.writer._entries
    # The thread ends as soon as the disk lets it.
    disk.answers.set()
    await dump.writer.stop()
    dump.thread.join(30)
    assert not dump.thread.is_alive()
    assert len(dump.errors) == 1


async def test_the_error_names_the_file_with_its_number(tmp_path, monkeypatch):
    path = tmp_path / "x.pcm"
    path.with_suffix(".jsonl").write_text("of somebody else")
    fill_the_disk(monkeypatch)
    dump = Dump(path)
    dump.writer.frame(b"abcd", 16000, 1, 2)
    await dump.writer.stop()
    [error] = dump.errors
    assert error.startswith(f"cannot write the audio dump {path.parent}/x-2.")


async def test_stop_waits_for_a_hanging_disk_only_a_moment(
    tmp_path, monkeypatch
):
    path = tmp_path / "x.pcm"
    disk = SlowDisk(monkeypatch)
    dump = Dump(path)
    dump.writer.frame(b"abcd", 16000, 1, 2)
    await dump.writer.stop()
    (error,) = dump.errors
    assert error.endswith("too slow; the end may be missing")
    # The rest is written when the disk answers after all.
    disk.answers.set()
    dump.thread.join(30)
    assert path.read_bytes() == b"abcd"


async def test_a_cancelled_stop_still_closes_the_files(tmp_path):
    path = tmp_path / "x.pcm"
    dump = Dump(path)
    data = bytes(range(256)) * 4000
    dump.writer.frame(data, 16000, 1, 2)
    stopping = asyncio.create_task(dump.writer.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    dump.thread.join(30)
    assert not dump.thread.is_alive()
    assert path.read_bytes() == data
    assert logged_bytes(lines_of(path)) == len(data)


def test_a_loop_that_ends_without_stop_raises_nothing(
    tmp_path, monkeypatch, capfd
):
    path = tmp_path / "missing.pcm"
    disk = SlowDisk(monkeypatch)

    async def forget() -> Dump:
        return Dump(path)

    dump = asyncio.run(forget())
    dump.writer._fail("nobody listens any more")
    disk.answers.set()
    dump.thread.join(30)
    assert not dump.thread.is_alive()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("place", ["make_directory", "_write"])
def test_a_disk_that_never_answers_does_not_keep_the_process(tmp_path, place):
    program = f"""if True:
        import asyncio, importlib, threading
        from pathlib import Path
        from devkit.bootstrap import ensure_ten
        ensure_ten()
        audio_dumper, dump_files, redaction = map(
            importlib.import_module,
            [
                "{AudioDumper.__module__}",
                "{dump_files.__name__}",
                "{Redactor.__module__}",
            ],
        )
        audio_dumper._STOP_S = 0.1
        dump_files.{place} = lambda *_: threading.Event().wait()

        async def call():
            path, redactor = Path("{tmp_path}/x.pcm"), redaction.Redactor()
            dump = audio_dumper.AudioDumper(path, {{}}, redactor, print, str)
            dump.frame(b"abcd", 16000, 1, 2)
            await dump.stop()

        asyncio.run(call())
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.endswith("too slow; the end may be missing\n")


# -- names ---------------------------------------------------------------


@pytest.mark.parametrize("locks", [True, False])
async def test_a_name_in_use_gets_a_number_and_a_free_one_is_used_again(
    tmp_path, monkeypatch, locks
):
    if not locks:
        # Some network drives have none.
        def refused(*_: object) -> None:
            raise OSError(errno.ENOLCK, "no locks")

        monkeypatch.setattr(dump_files.fcntl, "flock", refused)
    path = tmp_path / "x.pcm"
    dumps = [Dump(path) for _ in range(3)]
    await files(tmp_path, 6)
    for number, dump in enumerate(dumps):
        dump.writer.frame(bytes([number]) * 10, 16000, 1, 2)
    for dump in dumps:
        await dump.writer.stop()
    names = ["x.pcm", "x-2.pcm", "x-3.pcm"]
    found = {(tmp_path / name).read_bytes() for name in names}
    assert found == {bytes([number]) * 10 for number in range(3)}
    again = Dump(path)
    again.writer.frame(b"new", 16000, 1, 2)
    await again.writer.stop()
    assert path.read_bytes() == b"new"
    kinds = [line["kind"] for line in lines_of(path)]
    assert kinds == ["session", "frames", "end"]
    assert len(list(tmp_path.iterdir())) == 6


async def test_the_file_of_another_process_is_left_alone(tmp_path):
    path = tmp_path / "x.pcm"
    await Dump(path).writer.stop()
    path.write_bytes(b"of another process")
    log = path.with_suffix(".jsonl")
    log.write_text(log.read_text().splitlines(True)[0])
    with path.open("rb") as held:
        # A lock belongs to the open file, so this stands for a process.
        fcntl.flock(held, fcntl.LOCK_EX)
        dump = Dump(path)
        dump.writer.frame(b"ours", 16000, 1, 2)
        await dump.writer.stop()
    assert path.read_bytes() == b"of another process"
    assert (tmp_path / "x-2.pcm").read_bytes() == b"ours"
    assert lines_of(tmp_path / "x-2.pcm")[0]["audio"] == "x-2.pcm"
    assert dump.errors == []
    assert dump.paths == [tmp_path / "x-2.pcm"]
