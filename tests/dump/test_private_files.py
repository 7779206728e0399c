"""Recordings are for their owner only, and overwrite nothing but ours."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from asr_call import Call, run_call, spoken
from dumped_call import dumping, lines_of
from ten_packages.extension.openai_asr_python.audio_dumper import AudioDumper
from ten_packages.extension.openai_asr_python.recording import dump_files
from ten_packages.extension.openai_asr_python.safety.private_files import (
    made_beside,
    make_directory,
    read_whole,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

AUDIO = b"\1\2" * 100
HEADER = {"t": 0.0, "kind": "session", "package": "openai_asr_python"}
OURS = json.dumps(HEADER).encode() + b"\n"


@pytest.fixture
def umask():
    """Sets the umask for a test."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


async def dump(
    path: Path, texts_kept: bool = True
) -> tuple[Path | None, list[str]]:
    """Record something; where it went, and the errors."""
    errors: list[str] = []
    paths: list[Path] = []
    writer = AudioDumper(
        path,
        {},
        Redactor(),
        errors.append,
        paths.append,
        texts_kept=texts_kept,
    )
    writer.frame(AUDIO, 16000, 1, 2)
    await writer.stop()
    # What the thread told last.
    await asyncio.sleep(0)
    return paths[0] if paths else None, errors


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o177, 0o777])
async def test_modes_do_not_depend_on_the_umask(tmp_path, umask, mask):
    old = tmp_path / "old"
    old.mkdir()
    old.chmod(0o755)
    umask(mask)
    path = old / "new" / "newer" / "x.pcm"
    assert await dump(path) == (path, [])
    assert [mode(p) for p in (path, path.with_suffix(".jsonl"))] == [0o600] * 2
    assert [mode(p) for p in (path.parent, path.parent.parent)] == [0o700] * 2
    assert mode(old) == 0o755


@pytest.mark.parametrize("mask", [0o022, 0o777])
def test_no_other_directory_gets_another_mode(
    tmp_path, umask, monkeypatch, mask
):
    """Somebody puts another one in the place of that which was just made."""
    victim = tmp_path / "victim"
    victim.mkdir()
    victim.chmod(0o755)
    umask(mask)
    make = os.mkdir

    def exchange(path, mode):
        make(path, mode)
        os.rmdir(path)
        os.symlink(victim, path)

    monkeypatch.setattr(os, "mkdir", exchange)
    with contextlib.suppress(OSError):
        make_directory(tmp_path / "new")
    assert mode(victim) == 0o755


async def test_an_umask_that_takes_the_owners_rights_changes_no_file(
    tmp_path, umask
):
    umask(0o777)
    path = tmp_path / "x.pcm"
    assert await dump(path) == (path, [])
    assert [mode(p) for p in (path, path.with_suffix(".jsonl"))] == [0o600] * 2


async def test_an_older_recording_that_all_may_read_is_closed(tmp_path):
    path = tmp_path / "x.pcm"
    await dump(path)
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    assert await dump(path) == (path, [])
    assert [mode(file) for file in tmp_path.iterdir()] == [0o600] * 2


@pytest.mark.parametrize(
    "content",
    [
        b"\n",
        b"text",
        b'{"kind": "session"}\n',
        b'["session", "openai_asr_python"]\n',
        b'{"kind": "frames", "package": "openai_asr_python"}\n' + OURS,
        b"\xff" + OURS,
        b"\n" + OURS,
        b'{"a":' * 5000,
        OURS[:20],
        # Of another recording.
        OURS.replace(b"}", b', "audio": "y.pcm"}'),
    ],
)
@pytest.mark.parametrize("audio", [None, b"", b"somebody's"])
async def test_a_log_that_is_not_ours_is_left_alone(tmp_path, content, audio):
    path = tmp_path / "x.pcm"
    log = path.with_suffix(".jsonl")
    log.write_bytes(content)
    log.chmod(0o664)
    if audio is not None:
        path.write_bytes(audio)
        path.chmod(0o664)
    before = sorted(tmp_path.iterdir())
    used, errors = await dump(path)
    assert errors == []
    assert used == tmp_path / "x-2.pcm"
    assert used.read_bytes() == AUDIO
    assert lines_of(used)[0]["audio"] == "x-2.pcm"
    assert log.read_bytes() == content
    assert mode(log) == 0o664
    if audio is not None:
        assert path.read_bytes() == audio
        assert mode(path) == 0o664
    # No empty file stands beside it either.
    new = {used, used.with_suffix(".jsonl")}
    assert set(tmp_path.iterdir()) == {*before, *new}


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("audio", [b"", b"another program's", AUDIO + b"."])
async def test_audio_of_another_size_than_the_log_tells_is_left_alone(
    tmp_path, audio, full
):
    """Another program of the same user writes to the same name."""
    path = tmp_path / "x.pcm"
    await dump(path, texts_kept=full)
    told = AUDIO if full else b""
    if audio == told:
        audio = b"anything"
    path.write_bytes(audio)
    used, errors = await dump(path)
    assert (used, errors) == (tmp_path / "x-2.pcm", [])
    assert path.read_bytes() == audio
    path.write_bytes(told)
    assert await dump(path) == (path, [])


@pytest.mark.parametrize("end", [b"", b'{"t": 9, "kind": "e'])
async def test_after_a_crash_any_audio_is_ours_but_where_none_was_kept(
    tmp_path, end
):
    path = tmp_path / "x.pcm"
    path.write_bytes(b"the beginning")
    log = path.with_suffix(".jsonl")
    log.write_bytes(OURS.replace(b"}", b', "text": "none"}') + end)
    used, _ = await dump(path)
    assert used == tmp_path / "x-2.pcm"
    log.write_bytes(OURS.replace(b"}", b', "text": "full"}') + end)
    assert await dump(path) == (path, [])


async def test_audio_without_a_log_is_left_alone(tmp_path):
    path = tmp_path / "x.pcm"
    path.write_bytes(b"somebody's")
    used, _ = await dump(path)
    assert used == tmp_path / "x-2.pcm"
    assert path.read_bytes() == b"somebody's"
    assert not path.with_suffix(".jsonl").exists()


@pytest.mark.parametrize(("audio", "log"), [(b"old", OURS), (b"", b"")])
async def test_ours_and_empty_files_are_overwritten(tmp_path, audio, log):
    path = tmp_path / "x.pcm"
    path.write_bytes(audio)
    path.with_suffix(".jsonl").write_bytes(log)
    assert await dump(path) == (path, [])
    assert path.read_bytes() == AUDIO
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("suffix", [".pcm", ".jsonl"])
async def test_a_file_with_another_name_as_well_is_left_alone(tmp_path, suffix):
    path = tmp_path / "x.pcm"
    await dump(path)
    precious = tmp_path / "precious"
    os.link(path.with_suffix(suffix), precious)
    content = precious.read_bytes()
    used, errors = await dump(path)
    assert (used, errors) == (tmp_path / "x-2.pcm", [])
    assert precious.read_bytes() == content


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="no leases here")
@pytest.mark.parametrize("suffix", [".pcm", ".jsonl"])
async def test_a_file_with_a_lease_on_it_is_left_alone(tmp_path, suffix):
    path = tmp_path / "x.pcm"
    await dump(path)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with path.with_suffix(suffix).open("rb") as leased:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            used, errors = await dump(path)
    finally:
        signal.signal(signal.SIGIO, before)
    assert (used, errors) == (tmp_path / "x-2.pcm", [])


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="no leases here")
def test_to_read_a_file_the_end_of_a_lease_is_waited_for(tmp_path):
    """As a file server has one, and gives it up when asked."""
    path = tmp_path / "ca.pem"
    path.write_bytes(b"certificates")
    with path.open("r+b") as leased:

        def give_up(number: int, frame: object) -> None:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_UNLCK)

        before = signal.signal(signal.SIGIO, give_up)
        try:
            fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            assert read_whole(path, 100) == b"certificates"
        finally:
            signal.signal(signal.SIGIO, before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("suffix", [".pcm", ".jsonl"])
async def test_the_file_of_another_user_is_left_alone(tmp_path, suffix):
    path = tmp_path / "x.pcm"
    await dump(path)
    # Who owns it could read what is written into it.
    os.chown(path.with_suffix(suffix), 65534, -1)
    used, errors = await dump(path)
    assert (used, errors) == (tmp_path / "x-2.pcm", [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_an_empty_file_of_another_user_is_no_trap(tmp_path):
    path = tmp_path / "x.pcm"
    path.touch()
    os.chown(path, 65534, -1)
    used, errors = await dump(path)
    assert (used, errors) == (tmp_path / "x-2.pcm", [])
    assert path.read_bytes() == b""
    assert not path.with_suffix(".jsonl").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
@pytest.mark.parametrize("suffix", [".pcm", ".jsonl"])
async def test_a_device_is_not_even_opened(tmp_path, monkeypatch, suffix):
    path = tmp_path / "x.pcm"
    device = path.with_suffix(suffix)
    os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    opened: list[str] = []
    before = os.open

    def spy(name, flags, mode=0o777, **more):
        number = before(name, flags, mode, **more)
        opened.append(os.fspath(name))
        return number

    monkeypatch.setattr(os, "open", spy)
    used, (error,) = await dump(path)
    assert used is None
    assert "is a device, not a file" in error
    assert str(device) not in opened


async def test_what_changes_before_the_opening_is_noticed(
    tmp_path, monkeypatch
):
    """The check by name and the opening are two moments."""
    path = tmp_path / "x.pcm"
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    before = dump_files.size_of

    def swapped(name: Path) -> int:
        size = before(name)
        if name == path and not path.is_symlink():
            path.symlink_to(target)
        return size

    monkeypatch.setattr(dump_files, "size_of", swapped)
    _, (error,) = await dump(path)
    assert "is a symbolic link" in error
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("suffix", [".pcm", ".jsonl"])
async def test_a_file_that_loses_a_name_while_it_is_opened(
    tmp_path, monkeypatch, suffix
):
    """It is somebody's under another name, and had ours for a moment."""
    path = tmp_path / "x.pcm"
    for file in (path, path.with_suffix(".jsonl")):
        file.write_bytes(OURS if file.suffix == ".jsonl" else b"")
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    target.chmod(0o664)
    attacked = path.with_suffix(suffix)
    really = os.open

    def swapping(name, flags, *more):
        if Path(name) != attacked or flags & os.O_EXCL:
            return really(name, flags, *more)
        os.remove(attacked)
        os.link(target, attacked)
        number = really(name, flags, *more)
        os.remove(attacked)
        attacked.write_bytes(b"")
        return number

    monkeypatch.setattr(os, "open", swapping)
    used, _ = await dump(path)
    assert used == tmp_path / "x-2.pcm"
    assert target.read_bytes() == b"precious"
    assert mode(target) == 0o664


async def test_a_directory_that_is_left_again_by_its_path(tmp_path):
    path = tmp_path / "new" / ".." / "other" / "x.pcm"
    assert await dump(path) == (path, [])
    assert (tmp_path / "other" / "x.pcm").read_bytes() == AUDIO


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        # There nobody can make anything, says the kernel.
        ("/proc/x/y.pcm", "No such file or directory"),
        ("/proc/self/fd/x/y/z.pcm", "No such file or directory"),
        ("{folder}/gone/x.pcm", "No such file or directory"),
        ("{folder}/file/x/y.pcm", "Not a directory"),
        ("a/" * 3000 + "x.pcm", "File name too long"),
    ],
)
async def test_a_directory_that_cannot_be_made_is_told(
    tmp_path, monkeypatch, name, reason
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    _, (error,) = await dump(Path(name.format(folder=tmp_path)))
    assert error.endswith(reason)
    # Nothing of it is made then.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "gone"]


def test_the_log_of_ten_tells_which_file_is_used(server, tmp_path, host_log):
    path = tmp_path / "x.pcm"
    path.with_suffix(".jsonl").write_bytes(b"somebody's")
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(dumping(server.url, path, log_level="INFO"), script)
    assert call.errors == []
    assert (tmp_path / "x-2.pcm").read_bytes() == audio.tobytes()
    assert f"dump: {tmp_path / 'x-2.pcm'}" in host_log.text


async def test_a_socket_beside_the_audio_is_named(tmp_path):
    path = tmp_path / "x.pcm"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path.with_suffix(".jsonl")))
    _, (error,) = await dump(path)
    assert error.endswith(f"{path}: x.jsonl: is a socket, not a file")
    assert not path.exists()


@pytest.mark.parametrize("before", [b"", OURS])
async def test_who_had_an_old_file_open_reads_nothing_new(tmp_path, before):
    path = tmp_path / "x.pcm"
    log = path.with_suffix(".jsonl")
    path.write_bytes(b"")
    log.write_bytes(before)
    with path.open("rb") as audio, log.open("rb") as lines:
        assert await dump(path) == (path, [])
        assert path.read_bytes() == AUDIO
        assert audio.read() == b""
        assert lines.read() == before


def test_a_file_that_cannot_be_made_ours_leaves_nothing(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "fchmod", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(PermissionError):
        made_beside(tmp_path / "dump.pcm")
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before
