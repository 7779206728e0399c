"""P5, P6: messages at any time of a life, and no exception leaves."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_values import quick
from ten_ai_base.asr import AsyncASRBaseExtension
from ten_packages.extension.openai_asr_python.audio_dumper import AudioDumper
from ten_packages.extension.openai_asr_python.extension import (
    OpenAIASRExtension,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    FinalizeEnd,
)
from ten_runtime import AudioFrame, Data

from devkit.bootstrap import ensure_ten
from devkit.server import Faults, ServerThread

NON_FATAL = 1000


def test_stopped_at_once(server):
    async def script(call: Call) -> None:
        if ensure_ten() == "real":
            # A graph that is stopped before an extension of it has been
            # configured does not end there, in one of about forty runs.
            await call.command("update_configs")

    for _ in range(3):
        assert run_call(properties(server.url), script).errors == []


def test_everything_at_once_and_then_the_end(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.finalize("a")
        await call.send_data("trigger_connect")
        # Nobody waits for anything.

    call = run_call(properties(server.url), script)
    assert {e["code"] for e in call.errors} <= {NON_FATAL}


def test_frames_and_a_finalize_before_the_start_are_kept():
    audio, _ = spoken([[1, 2]])
    faults = Faults(slow_handshake="always", slow_handshake_ms=200)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            # The tester starts as the extension does; its messages overtake
            # the connection, and often on_start.
            await call.send(audio)
            await call.until_finalized("early")

        call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2])


def test_without_auto_connect_the_first_finalize_connects(server):
    """Also one that comes before the first frame."""
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until_finalized("early")
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(audio)
        await call.until_finalized("end")

    config = {**properties(server.url), "auto_connect": False}
    call = run_call(config, script)
    assert call.texts == text_of([1, 2])
    assert call.errors == []


def test_what_waits_for_the_trigger_is_bounded_by_its_time(server):
    """Whatever the format that the frames say, beside that configured."""
    audio, _ = spoken([[1, 2], [3, 4]], rate=48000)
    stereo = np.repeat(audio, 2)

    async def script(call: Call) -> None:
        await call.send(stereo, rate=48000, channels=2)
        await call.until_finalized("end")

    length_ms = len(audio) // 48
    for buffer_ms in (length_ms + 1000, length_ms - 1000):
        config = properties(
            server.url,
            max_buffer_ms=buffer_ms,
            turn_detection={"type": "none"},
            top={"auto_connect": False},
        )
        call = run_call(config, script)
        if buffer_ms > length_ms:
            assert " ".join(call.texts) == text_of([1, 2, 3, 4])[0]
            assert call.errors == []
        else:
            [report] = call.errors
            assert "1000 ms from 0 ms on" in report["message"]


async def test_messages_after_the_stop_are_harmless():
    extension = OpenAIASRExtension("asr")
    extension.stopped = True
    assert await extension.send_audio(AudioFrame.create("x"), None) is False
    assert extension.is_connected() is False
    if not hasattr(AsyncASRBaseExtension, "on_connected"):
        # A newer base reports these, for which it needs a runtime.
        await extension.stop_connection()
        await extension.start_connection()


def test_trigger_connect_twice_makes_one_session(server):
    async def script(call: Call) -> None:
        for _ in range(3):
            await call.send_data("trigger_connect")
        await call.until(lambda: call.metric("connect_delay"))
        await call.until_finalized("end")

    run_call(properties(server.url), script)
    assert len(server.sessions) == 1


@pytest.mark.parametrize(
    "name",
    [
        "on_init",
        "on_start",
        "on_stop",
        "on_audio_frame",
        "on_data",
        "on_cmd",
    ],
)
async def test_what_the_base_raises_ends_in_the_log(name, monkeypatch):
    async def broken(self, *arguments) -> None:
        raise RuntimeError("the base is broken")

    monkeypatch.setattr(AsyncASRBaseExtension, name, broken)
    extension = OpenAIASRExtension("asr")
    lines = []
    monkeypatch.setattr(
        extension._log, "error", lambda text, *_: lines.append(text)
    )
    monkeypatch.setattr(
        extension._log, "warn", lambda text, *_: lines.append(text)
    )
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(320)
    message = {
        "on_audio_frame": frame,
        "on_data": Data.create("asr_finalize"),
    }.get(name)
    callback = getattr(extension, name)
    if name == "on_cmd":
        from ten_runtime import Cmd

        message = Cmd.create("flush")
    arguments = [None] if message is None else [None, message]
    await callback(*arguments)
    assert any("broken" in line for line in lines), lines


FRAMES = st.fixed_dictionaries(
    {
        "size": st.sampled_from([1, 2, 3, 7, 320, 321, 640, 5000]),
        "rate": st.sampled_from(
            [0, -1, 1, 8000, 11025, 16000, 48000, 192_000, 10**6, 2**31 - 1]
        ),
        "channels": st.sampled_from([0, 1, 2, 3, 8, 9, -1, 2**31 - 1]),
        "width": st.sampled_from([0, 1, 2, 3, 4, -2, 2**31 - 1]),
        "metadata": st.sampled_from(
            [
                None,
                "{}",
                '{"session_id": "7"}',
                '{"a": null}',
                "[]",
                '"text"',
                "7",
                '{"asr_info": 1}',
                '{"a":' * 50 + "1" + "}" * 50,
            ]
        ),
    }
)


@settings(parent=quick, max_examples=6)
@given(frames=st.lists(FRAMES, min_size=10, max_size=30))
def test_any_frames_are_taken_or_refused(frames):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        for fields in frames:
            frame = AudioFrame.create("pcm_frame")
            frame.alloc_buf(fields["size"])
            view = frame.lock_buf()
            view[:] = bytes(fields["size"])
            frame.unlock_buf(view)
            frame.set_sample_rate(fields["rate"])
            frame.set_number_of_channels(fields["channels"])
            frame.set_bytes_per_sample(fields["width"])
            if fields["metadata"] is not None:
                frame.set_property_from_json("metadata", fields["metadata"])
            await call.env.send_audio_frame(frame)
        await call.env.send_audio_frame(AudioFrame.create("pcm_frame"))
        # Else a sample that one of them began would go on with the words.
        other = AudioFrame.create("pcm_frame")
        other.alloc_buf(64)
        other.set_sample_rate(8000)
        await call.env.send_audio_frame(other)
        await call.send(audio)
        await call.until_finalized("end")

    with ServerThread(engine="script") as server:
        call = run_call(properties(server.url), script)
    # Zeros are loud in G.711, so there may be noise before the words.
    assert " ".join(call.texts).endswith(*text_of([1, 2]))
    assert {e["code"] for e in call.errors} <= {NON_FATAL}
    for error in call.errors:
        assert error["message"].startswith(
            ("audio frame refused: ", "audio frame: the format changed")
        )


@pytest.mark.parametrize("metadata", ["[]", '"text"', "7", "[1, {}]"])
async def test_odd_metadata_does_not_cost_the_frame(metadata):
    # Where TEN checks no schema such a frame arrives, and the base would
    # lose it.
    extension = OpenAIASRExtension("asr")
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(320)
    frame.set_property_from_json("metadata", metadata)
    await extension.on_audio_frame(None, frame)
    text, error = frame.get_property_to_json("metadata")
    assert error is None
    assert json.loads(text) == {}
    assert extension.audio_frames_queue.qsize() == 1


@pytest.mark.parametrize("info", ["null", "5", '"x"', "[]", '{"model": 1}'])
async def test_a_frame_brings_no_facts_of_a_result(info):
    """They would take the place of the result's own, or cost it."""
    extension = OpenAIASRExtension("asr")
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(320)
    text = f'{{"asr_info": {info}, "note": "a"}}'
    frame.set_property_from_json("metadata", text)
    await extension.on_audio_frame(None, frame)
    text, error = frame.get_property_to_json("metadata")
    assert error is None
    assert json.loads(text) == {"note": "a"}


CALLERS = st.tuples(
    st.sampled_from("ABC"), st.sampled_from([{}, {"asr_info": {"x": 1}}])
)


@given(st.lists(CALLERS, min_size=2))
def test_a_frame_is_its_callers_whoever_came_before(callers):
    async def script() -> None:
        extension = OpenAIASRExtension("asr")
        for caller, more in callers:
            frame = AudioFrame.create("pcm_frame")
            frame.alloc_buf(320)
            text = json.dumps({"session_id": caller, **more})
            frame.set_property_from_json("metadata", text)
            await extension.on_audio_frame(None, frame)
            assert extension.metadata == {"session_id": caller}
            assert extension.session_id == caller
            text, _ = frame.get_property_to_json("metadata")
            assert json.loads(text) == {"session_id": caller}

    asyncio.run(script())


DATA = [
    ("asr_finalize", "{}"),
    ("asr_finalize", '{"finalize_id": 7}'),
    ("asr_finalize", '{"finalize_id": null}'),
    ("asr_finalize", '{"finalize_id": {"a": []}}'),
    ("asr_finalize", '{"finalize_id": "", "metadata": []}'),
    ("asr_finalize", json.dumps({"finalize_id": "x" * 100_000})),
    ("asr_finalize", json.dumps({"finalize_id": "日本\x01"})),
    ("asr_finalize", '{"finalize_id": "a", "metadata": {"session_id": 5}}'),
    ("trigger_connect", '{"a": [[[[]]]]}'),
    ("unknown", '{"finalize_id": "u"}'),
]


def test_any_data_is_survived(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        for name, text in DATA:
            await call.send_data(name, text)
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2])
    assert "x" * 100_000 in call.ends
    assert "u" not in call.ends


def test_a_flapping_service_is_reported_at_growing_distance(server):
    async def script(call: Call) -> None:
        for count in range(1, 5):
            await call.until(
                lambda n=count: len(call.metric("connect_delay")) >= n
            )
            server.drop_connections(abort=True)
        await call.until(lambda: len(call.metric("connect_delay")) >= 5)

    call = run_call(properties(server.url), script)
    # The 1st, 2nd and 4th loss; the 3rd says nothing new.
    assert len(call.errors) == 3


def test_a_long_outage_is_reported_at_growing_distance(server):
    server.refuse(True, http_status=503)

    async def script(call: Call) -> None:
        await asyncio.to_thread(
            server.wait_for, lambda: len(server.sessions) >= 4, 30
        )
        server.refuse(False)
        await call.until(lambda: call.metric("connect_delay"))

    call = run_call(properties(server.url), script)
    attempts = len([s for s in server.sessions if s.http_status == 503])
    assert attempts >= 4
    assert len(call.errors) == attempts.bit_length()


class OddFrame:
    """A frame of which one getter raises, as a broken binding might."""

    def __init__(self, broken: str) -> None:
        self._broken = broken

    def __getattr__(self, name: str):
        def get(*_: object) -> object:
            if name == self._broken:
                raise RuntimeError(f"{name} is broken")
            if name == "get_property_to_json":
                return "", None
            return bytearray(320) if name == "get_buf" else 0

        return get


@pytest.mark.parametrize(
    "getter",
    [
        "get_buf",
        "get_sample_rate",
        "get_number_of_channels",
        "get_bytes_per_sample",
        "get_data_fmt",
        "get_property_to_json",
    ],
)
@pytest.mark.parametrize("dumps", [True, False])
async def test_no_getter_of_a_frame_ends_the_process(getter, dumps, tmp_path):
    extension = OpenAIASRExtension("asr")
    if dumps:
        path = tmp_path / "a.pcm"
        redactor = extension._redactor
        extension._dump.dumper = AudioDumper(path, {}, redactor, print, print)
    await extension.on_audio_frame(None, OddFrame(getter))
    if dumps:
        await extension._dump.stop()


async def test_a_finalize_without_an_id_ends_without_one(monkeypatch):
    extension = OpenAIASRExtension("asr")
    sent: list[object] = []

    async def send() -> None:
        sent.append(extension.finalize_id)

    async def quiet(*_: object) -> None: ...

    monkeypatch.setattr(extension, "send_asr_finalize_end", send)
    monkeypatch.setattr(extension, "send_vendor_metrics", quiet)
    for finalize_id in (None, "a"):
        asked = extension._handlers.asked(finalize_id)
        await extension._handlers.on_asr_finalized(FinalizeEnd(asked, 0))
    assert sent == [None, "a"]


async def test_a_cancelled_drain_ends():
    """`on_stop` may be cancelled while it takes the last frames."""
    extension = OpenAIASRExtension("asr")
    handled: list[object] = []

    async def handle(_: object, frame: object) -> None:
        handled.append(frame)
        await asyncio.sleep(60)

    extension._handle_audio_frame = handle
    extension.ten_env = None
    for number in range(3):
        extension.audio_frames_queue.put_nowait(number)
    task = asyncio.ensure_future(extension._frames.drain())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert handled == [0]


def test_a_dump_goes_to_the_file_of_the_configuration_that_revived_the_call(
    server, tmp_path
):
    audio, _ = spoken([[1, 2]])
    first, second = tmp_path / "first.pcm", tmp_path / "second.pcm"

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        payload = {"api_key": "sk-good-0123456789", "dump_path": str(second)}
        result, _ = await call.command(
            "update_configs", json.dumps({"params": payload})
        )
        assert result.get_property_int("code")[0] == 0
        await call.send(audio)
        await call.until_finalized("end")

    config = properties(
        server.url,
        api_key="sk-wrong-0123456789",
        dump=True,
        dump_path=str(first),
    )
    call = run_call(config, script)
    assert call.texts == text_of([1, 2])
    assert second.stat().st_size == audio.nbytes
    assert first.stat().st_size == 0


async def test_a_frame_overtakes_none_that_the_base_has():
    pushed: list[int] = []

    class StandInCall:
        running, fatal, config, received_ms = True, None, None, 0

        def push(self, data: bytes, *_: object) -> int:
            pushed.append(data[0])
            return 10

        def take_lost_bytes(self) -> tuple[int, int]:
            return 0, 0

    def frame(number: int) -> AudioFrame:
        made = AudioFrame.create("pcm_frame")
        made.alloc_buf(320)
        buf = made.lock_buf()
        buf[0] = number
        made.unlock_buf(buf)
        return made

    extension = OpenAIASRExtension("asr")
    # TEN's base says so as it empties its buffer.
    extension.ten_env = SimpleNamespace(log_debug=lambda _: None)
    extension._slot.call = StandInCall()
    extension.audio_frames_queue.put_nowait(frame(1))
    await extension.on_audio_frame(None, frame(2))
    assert pushed == []
    await extension._frames.drain()
    assert pushed == [1, 2]
    # Nothing waits: no other task has to run.
    await extension.on_audio_frame(None, frame(3))
    assert pushed == [1, 2, 3]
    extension.buffered_frames.put_nowait(frame(4))
    await extension.on_audio_frame(None, frame(5))
    await extension._frames.drain()
    assert pushed == [1, 2, 3, 4, 5]
