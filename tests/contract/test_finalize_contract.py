"""Point 3: for every finalize exactly one end, after its text, in time."""

from __future__ import annotations

import asyncio
import json

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_ai_base.struct import ASRResult
from ten_packages.extension.openai_asr_python.extension import (
    OpenAIASRExtension,
)

from devkit.bootstrap import ensure_ten
from devkit.server import Faults, ServerThread

NON_FATAL = 1000
TURNS = [[1, 2], [3, 4], [5, 6]]


def order(call: Call) -> list[str]:
    """Final texts and finalize ids as they came."""
    found = []
    for name, message in call.messages:
        if name == "asr_finalize_end":
            found.append(message["finalize_id"])
        elif name == "asr_result" and message["final"]:
            found.append(message["text"])
    return found


def test_several_in_flight_get_theirs_in_order_after_their_text():
    faults = Faults(slow_completed="always", slow_completed_ms=300)
    audio, times = spoken(TURNS)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            begin = 0
            for index, (_, end) in enumerate(times):
                await call.send(audio[begin * 16 : end * 16])
                await call.finalize(f"f{index}")
                begin = end
            await call.until(lambda: len(call.ends) == 3)

        call = run_call(properties(server.url), script)
    one, two, three = text_of(*TURNS)
    assert order(call) == [one, "f0", two, "f1", three, "f2"]
    assert call.errors == []


def test_frames_still_queued_in_the_base_belong_to_it(server):
    audio, times = spoken(TURNS[:1])

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        # One frame with everything: the base has it in its queue when the
        # finalize comes.
        await call.send(audio[: times[0][1] * 16], frame_ms=10_000)
        await call.until_finalized("a")

    call = run_call(properties(server.url), script)
    assert order(call) == [*text_of(TURNS[0]), "a"]


def test_one_with_nothing_to_do_is_answered_at_once(server):
    audio, _ = spoken(TURNS[:1])

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.until_finalized("before any audio")
        await call.send(audio)
        await call.until_finals(1)
        await call.until_finalized("after the text")

    call = run_call(properties(server.url), script)
    assert order(call) == [
        "before any audio",
        *text_of(TURNS[0]),
        "after the text",
    ]
    waited = [
        m["finalize_ms"]
        for m in call.metric("vendor_metrics")
        if "finalize_ms" in m
    ]
    # A bound that only waiting for a timeout would reach.
    assert all(ms < 5000 for ms in waited)
    assert [c.by for c in server.sessions[0].commits] == ["vad"]


def test_one_while_disconnected_is_answered_after_the_text(server):
    audio, times = spoken(TURNS[:2])

    async def script(call: Call) -> None:
        await call.send(audio[: times[0][1] * 16 + 12_000])
        await call.until_finals(1)
        server.stop_listening()
        server.drop_connections(abort=True)
        await call.until(lambda: call.errors)
        await call.send(audio[times[0][1] * 16 + 12_000 :])
        await call.finalize("offline")
        await call.until(lambda: len(call.errors) >= 2)
        assert call.ends == []
        server.start_listening()
        await call.until(lambda: call.ends)

    call = run_call(properties(server.url, finalize_timeout_ms=60_000), script)
    assert order(call) == [*text_of(*TURNS[:2]), "offline"]


def test_the_bound_gives_one_error_and_the_end_and_the_text_follows():
    audio, times = spoken(TURNS[:1])
    faults = Faults(slow_completed="always", slow_completed_ms=900)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio[: times[0][1] * 16])
            await call.until_finalized("late")
            assert call.finals == []
            await call.until_finals(1)

        call = run_call(properties(server.url, finalize_timeout_ms=200), script)
    assert order(call) == ["late", *text_of(TURNS[0])]
    assert [e["code"] for e in call.errors] == [NON_FATAL]
    info = call.errors[0]["vendor_info"]
    assert info["code"] == "finalize_timeout"
    assert info["vendor"] == "openai"
    assert "finalize" in info["message"]
    names = [name for name, _ in call.messages]
    assert names.index("error") < names.index("asr_finalize_end")


@pytest.mark.parametrize("after_ms", [430, 480, 500, 510, 520, 560, 650])
def test_racing_the_servers_own_commit_shows_nobody(server, after_ms):
    # The server ends the turn 500 ms after the last word by itself.
    audio, times = spoken(TURNS[:1], pause_ms=3000)

    async def script(call: Call) -> None:
        await call.send(audio[: (times[0][1] + after_ms) * 16])
        await call.until_finalized("race")

    call = run_call(properties(server.url), script)
    assert order(call) == [*text_of(TURNS[0]), "race"]
    assert call.errors == []
    assert len(call.finals) == 1


def test_the_same_id_twice_and_an_empty_id_are_answered(server):
    audio, times = spoken(TURNS[:1])

    async def script(call: Call) -> None:
        await call.send(audio[: times[0][1] * 16])
        await call.finalize("same")
        await call.finalize("same")
        await call.finalize("")
        await call.until(lambda: len(call.ends) == 3)

    call = run_call(properties(server.url), script)
    assert order(call) == [*text_of(TURNS[0]), "same", "same", ""]


def test_one_without_an_id_is_ignored_and_told(server):
    audio, times = spoken(TURNS[:1])

    async def script(call: Call) -> None:
        await call.send(audio[: times[0][1] * 16])
        for _ in range(5):
            await call.send_data("asr_finalize", "{}")
        await call.until_finalized("with one")

    call = run_call(properties(server.url), script)
    assert call.ends == ["with one"]
    text = "asr_finalize ignored: it has no finalize_id, a string"
    # The 1st, 2nd, 4th … is told, and nobody waits for an end.
    assert [(e["code"], e["message"]) for e in call.errors] == [
        (NON_FATAL, text),
        (NON_FATAL, f"{text} (2 times by now)"),
        (NON_FATAL, f"{text} (4 times by now)"),
    ]


NO_C = pytest.mark.standin("no text that C strings and UTF-8 can carry")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"finalize_id": "a\0\x1b\u202e\ud800"}, marks=NO_C),
        {"finalize_id": "x" * 1_000_000},
        pytest.param(
            {"metadata": {"session_id": "\ud800", "asr_info": [[[None, 1.5]]]}},
            marks=NO_C,
        ),
        {"metadata": {}, "more": [{"finalize_id": 5}]},
    ],
)
def test_one_with_odd_contents_is_answered(server, fields):
    async def script(call: Call) -> None:
        message = json.dumps({"finalize_id": "odd", **fields})
        await call.send_data("asr_finalize", message)
        await call.until(lambda: call.ends)
        await call.until_finalized("last")

    call = run_call(properties(server.url), script)
    assert call.ends == [fields.get("finalize_id", "odd"), "last"]
    assert call.errors == []


@pytest.mark.parametrize(
    "fields",
    [
        *({"finalize_id": value} for value in (5, None, True, ["a"], {})),
        *({"metadata": value} for value in ([1], "x", None)),
        *({"metadata": {"session_id": value}} for value in (5, None, {})),
    ],
)
def test_the_host_does_not_deliver_what_is_declared_otherwise(
    server, fields, host_log
):
    """So nobody but its log tells about it."""

    async def script(call: Call) -> None:
        message = json.dumps({"finalize_id": "odd", **fields})
        await call.send_data("asr_finalize", message)
        await call.until_finalized("last")

    call = run_call(properties(server.url), script)
    assert call.ends == ["last"]
    assert call.errors == []
    if ensure_ten() == "stand-in":
        # TEN has words of its own for it.
        assert "data 'asr_finalize' not delivered: " in host_log.text


def test_fifty_at_once_are_all_answered_in_order(server):
    audio, times = spoken(TURNS[:1])
    ids = [f"f{n}" for n in range(50)]

    async def script(call: Call) -> None:
        await call.send(audio[: times[0][1] * 16])
        for name in ids:
            await call.finalize(name)
        await call.until(lambda: len(call.ends) == 50)

    call = run_call(properties(server.url), script)
    assert order(call) == [*text_of(TURNS[0]), *ids]
    commits = server.sessions[0].client_types()
    assert commits.count("input_audio_buffer.commit") == 1


def test_one_that_comes_while_the_call_is_stopped_waits_for_its_text(
    monkeypatch,
):
    """An agent may ask in its own `on_stop` for what is missing yet."""
    audio, _ = spoken([[1, 2]])
    told: list[str | None] = []
    stop = OpenAIASRExtension.stop_connection

    async def tell_text(
        extension: OpenAIASRExtension, result: ASRResult
    ) -> None:
        if result.final:
            told.append(result.text)

    async def tell_end(extension: OpenAIASRExtension) -> None:
        told.append(extension.finalize_id)

    async def stop_connection(extension: OpenAIASRExtension) -> None:
        extension.finalize_id = "late"
        late = asyncio.ensure_future(extension.finalize(None))
        await stop(extension)
        await late

    # Who tests is gone by then.
    for name, method in (
        ("stop_connection", stop_connection),
        ("send_asr_result", tell_text),
        ("send_asr_finalize_end", tell_end),
    ):
        monkeypatch.setattr(OpenAIASRExtension, name, method)
    faults = Faults(slow_completed="always", slow_completed_ms=300)

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(audio)
        # By then the frames are there.
        await call.command("are_you_there")

    with ServerThread(engine="script", faults=faults) as server:
        config = properties(server.url, turn_detection={"type": "none"})
        run_call(config, script)
    assert told == [*text_of([1, 2]), "late"]
