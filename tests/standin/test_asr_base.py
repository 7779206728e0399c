"""Manners of ``AsyncASRBaseExtension`` as of 0.7.41."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asr_probe import KeepingAsr, ProbeAsr
from ten_ai_base import utils
from ten_ai_base.asr import AsyncASRBaseExtension
from ten_ai_base.message import ModuleError, ModuleErrorCode
from ten_ai_base.struct import ASRResult
from ten_ai_base.timeline import AudioTimeline
from ten_probe import Probe, data, install, standin_only
from ten_runtime import AsyncTenEnvTester, AudioFrame, Cmd

old_base_only = pytest.mark.skipif(
    hasattr(AsyncASRBaseExtension, "on_connected"),
    reason="states what the older base does",
)


async def _frame(
    env: AsyncTenEnvTester, label: str, metadata: Any = None
) -> None:
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(320)
    view = frame.lock_buf()
    view[:] = label.encode() + bytes(319)
    frame.unlock_buf(view)
    if metadata is not None:
        frame.set_property_from_json("metadata", json.dumps(metadata))
    assert await env.send_audio_frame(frame) is None


async def _facts(
    env: AsyncTenEnvTester, name: str = "facts", **properties: Any
) -> Any:
    cmd = Cmd.create(name)
    cmd.set_property_from_json(None, json.dumps(properties))
    result, error = await env.send_cmd(cmd)
    assert error is None
    assert result is not None
    text, error = result.get_property_to_json("answer")
    assert error is None
    return json.loads(text)


async def _settled(env: AsyncTenEnvTester, frames: int) -> Any:
    """The facts once the consumer has dealt with ``frames`` frames."""
    while True:
        facts = await _facts(env)
        seen = len(facts["sent"])
        if facts["queued"] == 0 and seen >= frames:
            return facts


RESULT: dict[str, Any] = {
    "text": "hi",
    "final": False,
    "start_ms": 1,
    "duration_ms": 2,
    "language": "en-US",
    "words": [],
}


def _named(probe: Probe, name: str) -> list[Any]:
    return [seen for got, seen in probe.seen if got == name]


@old_base_only
def test_discard_counts_bytes_as_milliseconds(tmp_path: Path) -> None:
    facts: list[Any] = []

    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _frame(env, "a")
        while not (got := await _facts(env))["dropped_ms"]:
            pass
        facts.append(got)

    assert Probe(script).play(install(tmp_path, ProbeAsr)) is None
    assert facts[0]["dropped_ms"] == 320
    assert facts[0]["sent"] == []


def test_kept_frames_flush_with_the_next_one(tmp_path: Path) -> None:
    facts: list[Any] = []

    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        for label in "abc":
            await _frame(env, label, {"session_id": "old"})
        while (await _facts(env))["buffered"] != 640:
            pass
        facts.append(await _facts(env, "connect"))
        await _frame(env, "d", {"session_id": "new"})
        facts.append(await _settled(env, 3))

    assert Probe(script).play(install(tmp_path, KeepingAsr)) is None
    assert facts[0]["sent"] == []
    assert facts[1]["sent"] == ["b:new", "c:new", "d:new"]
    assert facts[1]["buffered"] == 0
    assert facts[1]["dropped_ms"] == 0


def test_a_bad_frame_is_lost_alone(tmp_path: Path) -> None:
    facts: list[Any] = []

    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "connect")
        await _frame(env, "a")
        await env.send_audio_frame(AudioFrame.create("pcm_frame"))
        await _frame(env, "!")
        await _frame(env, "x", metadata=["not", "an", "object"])
        await _frame(env, "b")
        facts.append(await _settled(env, 2))

    assert Probe(script).play(install(tmp_path, ProbeAsr)) is None
    assert facts[0]["sent"] == ["a:None", "b:None"]


@old_base_only
def test_results_share_an_id_until_the_final(tmp_path: Path) -> None:
    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "result", **RESULT, id="mine")
        await _facts(env, "result", **{**RESULT, "final": True})
        await _facts(env, "result", **{**RESULT, "metadata": {"k": 1}})

    probe = Probe(script, until=3)
    assert probe.play(install(tmp_path, ProbeAsr)) is None
    first, final, following = _named(probe, "asr_result")
    assert first["id"] == final["id"] != following["id"]
    assert first["id"] != "mine"
    assert following == {
        **RESULT,
        "id": following["id"],
        "metadata": {"k": 1},
    }
    assert first["metadata"] == {}


def test_frame_metadata_goes_into_results(tmp_path: Path) -> None:
    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "connect")
        await _frame(env, "a", {"session_id": "7", "asr_info": {"theirs": 1}})
        await _settled(env, 1)
        own = {"asr_info": {"ours": 1}, "own": 2}
        await _facts(env, "result", **{**RESULT, "metadata": own})

    probe = Probe(script, until=2)
    assert probe.play(install(tmp_path, ProbeAsr)) is None
    assert _named(probe, "asr_result")[0]["metadata"] == {
        "session_id": "7",
        "asr_info": {"theirs": 1},
        "own": 2,
    }


def test_ttfw_and_ttlw_precede_their_result(tmp_path: Path) -> None:
    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "connect")
        await _frame(env, "a")
        await _settled(env, 1)
        await env.send_data(data("asr_finalize", finalize_id="f1"))
        await _facts(env, "result", **{**RESULT, "text": ""})
        await _facts(env, "result", **{**RESULT, "final": True})
        await _facts(env, "result", **{**RESULT, "final": True})

    probe = Probe(script, until=6)
    assert probe.play(install(tmp_path, ProbeAsr)) is None
    order = [
        next(iter(seen["metrics"])) if name == "metrics" else name
        for name, seen in probe.seen
        if "actual_send" not in seen.get("metrics", {})
    ]
    assert order == [
        "asr_finalize_end",
        "ttfw",
        "asr_result",
        "ttlw",
        "asr_result",
        "asr_result",
    ]
    metric, result = probe.seen[1][1], probe.seen[2][1]
    assert metric["id"] == result["id"]
    assert metric["vendor"] == "probe"
    assert isinstance(metric["metrics"]["ttfw"], int)


def test_finalize_needs_an_id(tmp_path: Path) -> None:
    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await env.send_data(data("asr_finalize"))
        await env.send_data(data("asr_finalize", finalize_id=""))
        await env.send_data(data("asr_finalize", finalize_id="x"))

    probe = Probe(script, until=2)
    assert probe.play(install(tmp_path, ProbeAsr)) is None
    assert _named(probe, "asr_finalize_end") == [
        {"finalize_id": "", "metadata": {}},
        {"finalize_id": "x", "metadata": {}},
    ]


@old_base_only
def test_the_shape_of_an_error(tmp_path: Path) -> None:
    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "error")

    probe = Probe(script, until=1)
    assert probe.play(install(tmp_path, ProbeAsr)) is None
    error = _named(probe, "error")[0]
    assert len(error.pop("id")) == 32
    assert error == {
        "module": "asr",
        "code": -1000,
        "message": "m",
        "vendor_info": {},
        "metadata": {},
    }


def test_auto_connect_and_trigger_connect(tmp_path: Path) -> None:
    facts: list[Any] = []

    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        facts.append(await _facts(env))
        await env.send_data(data("trigger_connect"))
        await env.send_data(data("something_else"))
        facts.append(await _facts(env))

    async def wait(env: AsyncTenEnvTester, probe: Probe) -> None:
        while (await _facts(env))["started"] != 1:
            pass  # on_start may come after the first messages

    name = install(tmp_path, ProbeAsr)
    assert Probe(wait).play(name) is None
    assert Probe(script).play(name, {"auto_connect": False}) is None
    assert [fact["started"] for fact in facts] == [0, 1]


@standin_only
def test_words_of_none_break_the_declared_interface(tmp_path: Path) -> None:
    uri = "../../system/ten_ai_base/api/asr-interface.json"
    api = {"interface": [{"import_uri": uri}]}

    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "result", **{**RESULT, "words": None})
        await _facts(env, "result", **RESULT)

    probe = Probe(script, until=1)
    assert probe.play(install(tmp_path, ProbeAsr, api=api)) is None
    assert [seen["words"] for seen in _named(probe, "asr_result")] == [[]]


@standin_only
def test_a_numeric_session_id_makes_a_frame_undeliverable(
    tmp_path: Path,
) -> None:
    uri = "../../system/ten_ai_base/api/asr-interface.json"
    api = {"interface": [{"import_uri": uri}]}
    facts: list[Any] = []

    async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
        await _facts(env, "connect")
        await _frame(env, "a", {"session_id": 7})
        await _frame(env, "b", {"session_id": "7"})
        facts.append(await _settled(env, 1))

    assert Probe(script).play(install(tmp_path, ProbeAsr, api=api)) is None
    assert facts[0]["sent"] == ["b:7"]


def test_codes_are_strings_in_the_enum_and_ints_in_the_model() -> None:
    assert ModuleErrorCode.FATAL_ERROR.value == "-1000"
    code: Any = ModuleErrorCode.NON_FATAL_ERROR
    assert ModuleError(code=code).code == 1000
    code = ModuleErrorCode.FATAL_ERROR.value
    assert ModuleError(code=code).code == -1000
    result = ASRResult.model_validate({**RESULT, "start_ms": 1.0})
    assert result.start_ms == 1
    with pytest.raises(ValueError, match="start_ms"):
        ASRResult.model_validate({**RESULT, "start_ms": 1.5})


@pytest.mark.parametrize(
    ("events", "times"),
    [
        (
            "D3000 U1000 S500 U2000",
            "0:3000 500:3500 1000:4000 1500:4000 2000:4500",
        ),
        ("U1000 D2000 U500", "0:0 1000:1000 1001:3001 1500:3500"),
        ("S500 U1000", "0:0 400:0 500:0 501:1"),
        ("U1000 S500 D100", "1500:1000"),
        ("U5 U5 S0", "7:7"),
        ("", "0:0"),
    ],
)
def test_the_timeline(events: str, times: str) -> None:
    errors: list[str] = []
    timeline = AudioTimeline(errors.append)
    add = {
        "U": timeline.add_user_audio,
        "S": timeline.add_silence_audio,
        "D": timeline.add_dropped_audio,
    }
    for event in events.split():
        add[event[0]](int(event[1:]))
    for time in times.split():
        vendor, real = map(int, time.split(":"))
        assert timeline.get_audio_duration_before_time(vendor) == real
    assert errors == []


def test_the_timeline_reports_times_outside() -> None:
    errors: list[str] = []
    timeline = AudioTimeline(errors.append)
    timeline.add_user_audio(10)
    timeline.add_dropped_audio(5)
    assert timeline.get_audio_duration_before_time(-1) == 0
    assert timeline.get_audio_duration_before_time(11) == 15
    assert len(errors) == 2
    timeline.reset()
    assert timeline.timeline == []
    assert timeline.get_total_user_audio_duration() == 0


@pytest.mark.parametrize(
    ("key", "masked"),
    [
        ("no-key-but-a-text-as-long-as-one", "no-ke...s-one"),
        ("0123456789", "01...89"),
        ("01234", "0...4"),
        ("0123", "0123"),
        ("", ""),
    ],
)
def test_encrypt(key: str, masked: str) -> None:
    assert utils.encrypt(key) == masked


@old_base_only
def test_the_older_base_lacks_the_newer_names() -> None:
    import ten_ai_base.struct

    names = ("vendor_metadata", "on_connected", "on_disconnected")
    assert not any(hasattr(AsyncASRBaseExtension, name) for name in names)
    assert not hasattr(utils, "redact_url")
    assert not hasattr(ten_ai_base.struct, "ASRResults")
