"""The dump is what was received, byte for byte, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import threading

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from dumped_call import (
    SlowDisk,
    dumping,
    fill_the_disk,
    lines_of,
    logged_bytes,
)

from devkit.server import Faults, ServerThread

TURNS = [[1, 2, 3], [4, 5]]
NON_FATAL = 1000


@pytest.mark.parametrize(
    ("rate", "channels", "frame_ms"),
    [(8000, 1, 20), (16000, 1, 10), (24000, 1, 40), (48000, 2, 10)],
)
def test_the_dump_is_the_received_audio(
    server, tmp_path, rate, channels, frame_ms
):
    path = tmp_path / "call.pcm"
    audio = np.repeat(spoken(TURNS, rate)[0], channels)

    async def script(call: Call) -> None:
        await call.send(audio, rate, channels, frame_ms)
        await call.until_finalized("end")

    call = run_call(dumping(server.url, path), script)
    assert call.texts == text_of(*TURNS)
    assert path.read_bytes() == audio.tobytes()
    assert logged_bytes(lines_of(path)) == audio.nbytes
    assert call.errors == []


def test_frames_of_odd_sizes_and_refused_frames_are_dumped_as_well(
    server, tmp_path
):
    path = tmp_path / "call.pcm"
    chance = random.Random(7)
    pieces = [chance.randbytes(chance.randint(1, 999)) for _ in range(60)]

    async def script(call: Call) -> None:
        for index, piece in enumerate(pieces):
            # A width of 3 is refused by the extension.
            width = 3 if index % 7 == 0 else 2
            rate = 16000 if index % 5 else 44100
            await call.send(piece, rate, frame_ms=1000, width=width)
        await call.until_finalized("end")

    run_call(dumping(server.url, path), script)
    assert path.read_bytes() == b"".join(pieces)
    assert logged_bytes(lines_of(path)) == len(path.read_bytes())


def test_a_directory_is_made_and_gets_the_default_name(server, tmp_path):
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    run_call(dumping(server.url, tmp_path / "new" / "dir"), script)
    path = tmp_path / "new" / "dir" / "openai_asr_in.pcm"
    assert path.read_bytes() == audio.tobytes()


def test_frames_before_the_connection_are_dumped(tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)
    faults = Faults(slow_handshake="always", slow_handshake_ms=400)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    with ServerThread(engine="script", faults=faults) as slow:
        call = run_call(dumping(slow.url, path), script)
    assert call.texts == text_of(*TURNS)
    assert path.read_bytes() == audio.tobytes()


def test_what_the_buffer_drops_before_the_connection_is_dumped(
    server, tmp_path
):
    path = tmp_path / "call.pcm"
    audio = np.arange(16000 * 4, dtype=np.int16)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    config = dumping(
        server.url, path, max_buffer_ms=1000, top={"auto_connect": False}
    )
    run_call(config, script)
    assert path.read_bytes() == audio.tobytes()


def test_frames_after_a_fatal_error_are_dumped(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.send(audio)
        await call.until_finalized("end")

    config = dumping(server.url, path, api_key="sk-wrong-0123456789")
    call = run_call(config, script)
    assert call.codes == [-1000]
    assert path.read_bytes() == audio.tobytes()
    assert "sk-wrong-0123456789" not in path.with_suffix(".jsonl").read_text()


async def change(call: Call, **params: object) -> bool:
    """Is this ``update_configs`` applied?"""
    result, _ = await call.command(
        "update_configs", json.dumps({"params": params})
    )
    return result.get_property_string("message")[0] == "applied"


@pytest.mark.parametrize("refused_by", ["us", "the service"])
@pytest.mark.parametrize("dumps", [True, False])
@pytest.mark.parametrize("wish", ["on", "off", "moved", "silent"])
def test_a_change_that_is_refused_leaves_the_dump_as_it_is(
    server, tmp_path, refused_by, dumps, wish
):
    path, other = tmp_path / "call.pcm", tmp_path / "other.pcm"
    audio, _ = spoken(TURNS)
    wishes = {
        "on": {"dump": True},
        "off": {"dump": False},
        "moved": {"dump": True, "dump_path": str(other)},
        "silent": {"dump": True, "session_log_text": "none"},
    }
    given_up = refused_by == "the service"
    wrong = (
        {"api_key": "sk-wrong-0000000000"}
        if given_up
        else {"ca_file": str(tmp_path / "missing.pem")}
    )

    async def script(call: Call) -> None:
        if given_up:
            await call.until(lambda: call.errors)
        assert not await change(call, **wrong, **wishes[wish])
        await call.send(audio)
        assert await change(call, api_key="sk-good-0123456789")
        await call.send_data("trigger_connect")
        await call.until_finalized("end")

    key = "sk-wrong-0123456789" if given_up else "sk-good-0123456789"
    config = properties(
        server.url,
        api_key=key,
        dump=dumps,
        dump_path=str(path),
        top={"auto_connect": given_up},
    )
    run_call(config, script)
    files = sorted(tmp_path.glob("*.pcm"))
    written = b"".join(file.read_bytes() for file in files)
    assert written == (audio.tobytes() if dumps else b"")
    if not given_up:
        # Nothing was tried.
        assert files == [path] * dumps


def test_a_node_without_a_valid_configuration_dumps_nothing(tmp_path):
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.send(audio)
        await call.until_finalized("end")

    missing = str(tmp_path / "missing.pem")
    call = run_call(
        dumping("wss://127.0.0.1:9", tmp_path / "call.pcm", ca_file=missing),
        script,
    )
    assert "ca_file" in call.errors[0]["message"]
    assert list(tmp_path.iterdir()) == []


def test_without_dump_there_is_no_file_and_no_thread(server, tmp_path):
    audio, _ = spoken(TURNS)
    names: list[str] = []

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")
        names.extend(thread.name for thread in threading.enumerate())

    config = properties(server.url, dump_path=str(tmp_path / "call.pcm"))
    run_call(config, script)
    assert not any("dump" in name for name in names)
    assert list(tmp_path.iterdir()) == []


# -- failures ------------------------------------------------------------


def _a_directory(tmp_path):
    path = tmp_path / "x.pcm"
    path.mkdir()
    return path


def _log_is_a_directory(tmp_path):
    (tmp_path / "x.jsonl").mkdir()
    return tmp_path / "x.pcm"


def _below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "sub" / "x.pcm"


def _without_permission(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    return folder / "x.pcm"


def _link(tmp_path):
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    path = tmp_path / "x.pcm"
    path.symlink_to(target)
    return path


def _broken_link(tmp_path):
    path = tmp_path / "x.pcm"
    path.symlink_to(tmp_path / "made.pcm")
    return path


def _log_is_a_link(tmp_path):
    (tmp_path / "x.jsonl").symlink_to(tmp_path / "made.jsonl")
    return tmp_path / "x.pcm"


def _pipe(tmp_path):
    path = tmp_path / "x.pcm"
    os.mkfifo(path)
    return path


def _log_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "x.jsonl")
    return tmp_path / "x.pcm"


def _socket(tmp_path):
    path = tmp_path / "x.pcm"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_a_directory, "x.pcm: is a directory, not a file"),
        (_log_is_a_directory, "x.jsonl: is a directory, not a file"),
        (_link, "is a symbolic link, not a file"),
        (_broken_link, "is a symbolic link, not a file"),
        (_log_is_a_link, "x.jsonl: is a symbolic link, not a file"),
        (_pipe, "is a named pipe, not a file"),
        (_log_is_a_pipe, "x.jsonl: is a named pipe, not a file"),
        (_socket, "is a socket, not a file"),
        (_below_a_file, "Not a directory"),
        pytest.param(
            _without_permission,
            "Permission denied",
            marks=pytest.mark.skipif(
                os.geteuid() == 0, reason="root may write anywhere"
            ),
        ),
    ],
)
def test_a_failure_is_one_error_and_the_call_goes_on(
    server, tmp_path, make, reason
):
    path = make(tmp_path)
    before = _tree(tmp_path)
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until(lambda: call.errors)
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(dumping(server.url, path), script)
    assert call.texts == text_of(*TURNS, *TURNS)
    (error,) = call.errors
    assert error["code"] == NON_FATAL
    assert str(path) in error["message"]
    assert reason in error["message"]
    assert _tree(tmp_path) == before


def _tree(folder):
    """What lies there, with its type, mode and, of files, content."""
    return {
        path: (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def test_a_full_disk_leaves_the_reason_in_the_log(
    server, tmp_path, monkeypatch
):
    path = tmp_path / "x.pcm"
    fill_the_disk(monkeypatch)
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until(lambda: call.errors)

    call = run_call(dumping(server.url, path), script)
    assert call.codes == [NON_FATAL]
    last = lines_of(path)[-1]
    assert last["kind"] == "dump_failed"
    assert "No space left" in last["reason"]


def test_a_disk_that_hangs_does_not_hold_up_the_call(
    server, tmp_path, monkeypatch
):
    path = tmp_path / "hang.pcm"
    disk = SlowDisk(monkeypatch)
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(dumping(server.url, path), script)
    assert call.texts == text_of(*TURNS)
    # The rest is written when the disk answers after all.
    (thread,) = [t for t in threading.enumerate() if "dump" in t.name]
    disk.answers.set()
    thread.join(30)
    assert path.read_bytes() == audio.tobytes()


# -- two at once ---------------------------------------------------------


def test_two_calls_at_once_get_files_of_their_own(server, tmp_path):
    path = tmp_path / "call.pcm"
    both = threading.Barrier(2, timeout=30)
    audios = [spoken([[n, n + 1]])[0] for n in (10, 20)]
    calls: list[Call] = []

    def one(audio) -> None:
        async def script(call: Call) -> None:
            await call.send(audio[:1600])
            await asyncio.to_thread(both.wait)
            await call.send(audio[1600:])
            await call.until_finalized("end")
            await asyncio.to_thread(both.wait)

        calls.append(run_call(dumping(server.url, path), script))

    threads = [threading.Thread(target=one, args=(a,)) for a in audios]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call.errors for call in calls] == [[], []]
    other = tmp_path / "call-2.pcm"
    found = {path.read_bytes(), other.read_bytes()}
    assert found == {audio.tobytes() for audio in audios}
    for file in (path, other):
        header, *rest = lines_of(file)
        assert header["audio"] == file.name
        assert logged_bytes(rest) == file.stat().st_size
