"""Settings that change while the call goes on."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_packages.extension.openai_asr_python.extension import (
    OpenAIASRExtension,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
)

from devkit.server import ServerThread

TURNS = [[1, 2], [3, 4], [5, 6]]


async def update(call: Call, **payload) -> tuple[int, str]:
    result, error = await call.command("update_configs", json.dumps(payload))
    assert error is None
    assert result is not None
    code, missing = result.get_property_int("code")
    assert missing is None
    message, missing = result.get_property_string("message")
    assert missing is None
    assert (code == 0) == (result.get_status_code() == 0)
    return code, message


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"language": "de-DE"}, "transcription", {"language": "de"}),
        (
            {"input_audio_transcription": {"prompt": "TEN"}},
            "transcription",
            {"prompt": "TEN"},
        ),
        (
            {"input_audio_noise_reduction": {"type": "far_field"}},
            "noise_reduction",
            {"type": "far_field"},
        ),
        (
            {"turn_detection": {"silence_duration_ms": 900}},
            "turn_detection",
            {"silence_duration_ms": 900},
        ),
        ({"turn_detection": {"type": "none"}}, "turn_detection", None),
    ],
)
def test_a_change_is_made_within_the_session_and_loses_nothing(
    server, change, field, expected
):
    audio, times = spoken(TURNS)
    half = (times[1][0] + 300) * 16

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        await call.until_finals(1)
        # In the middle of the second turn: it waits for its end.
        answer = asyncio.create_task(update(call, params=change))
        await call.send(audio[half:])
        assert await answer == (0, "applied")
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    words = " ".join(call.texts)
    assert words == " ".join(text_of(*TURNS))
    assert len(server.sessions) == 1
    now = server.sessions[0].config["audio"]["input"][field]
    if expected is None:
        assert now is None
    else:
        assert {**now, **expected} == now
    assert call.errors == []


def test_another_model_takes_over_without_losing_a_word(server):
    audio, times = spoken(TURNS)
    half = (times[1][0] + 300) * 16

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        await call.until_finals(1)
        answer = asyncio.create_task(
            update(call, params={"model": "whisper-1", "language": "de"})
        )
        pause = times[1][1] * 16 + 12000
        await call.send(audio[half:pause])
        assert await answer == (0, "applied")
        await call.send(audio[pause:])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*TURNS)
    assert len(server.sessions) == 2
    assert call.finals[-1]["metadata"]["asr_info"]["model"] == "whisper-1"
    assert call.finals[-1]["language"] == "de-DE"
    assert call.errors == []


def test_another_server_takes_over_without_losing_a_word(server):
    audio, times = spoken(TURNS)
    half = times[0][1] * 16 + 12000
    with ServerThread(engine="script") as other:

        async def script(call: Call) -> None:
            await call.send(audio[:half])
            await call.until_finals(1)
            answer = await update(
                call,
                url=other.url,
                params={"api_key": "sk-other-0123456789"},
            )
            assert answer == (0, "applied")
            await call.send(audio[half:])
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
        assert call.texts == text_of(*TURNS)
        assert len(server.sessions) == 1
        assert other.sessions[0].items


def test_a_call_is_moved_off_a_server_that_hangs(server):
    """The attempt there would go on for longer than an answer may take."""
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        assert await update(call, url=server.url) == (0, "applied")
        await call.until_finalized("end")

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}/v1"
        node = properties(
            url, connect_timeout_ms=60000, finalize_timeout_ms=30000
        )
        call = run_call(node, script)
    assert call.texts == text_of(*TURNS)
    assert call.errors == []


@pytest.mark.parametrize(
    ("payload", "part"),
    [
        ({"params": {"api_key": "sk-wrong-0123456789"}}, "Incorrect API key"),
        ({"params": {"base_url": "ws://127.0.0.1:9/v1"}}, "refused"),
        ({"params": {"turn_detection": {"threshold": 7}}}, "threshold"),
        ({"params": {"languge": "de"}}, "languge"),
        ({"params": {"input_audio_format": "g711_ulaw"}}, "during a call"),
        ({"params": {"ca_file": "no/ca.pem"}}, 'ca_file: "no/ca.pem" cannot'),
    ],
)
def test_a_refused_change_leaves_the_old_configuration_working(
    server, payload, part
):
    audio, times = spoken(TURNS)
    half = times[0][1] * 16 + 12000

    async def script(call: Call) -> None:
        await call.send(audio[:half])
        await call.until_finals(1)
        code, message = await update(call, **payload)
        assert code == -1
        assert part in message
        assert "0123456789" not in message
        await call.send(audio[half:])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*TURNS)
    assert call.errors == []


def test_a_better_key_revives_a_call_that_a_fatal_error_ended(server):
    audio, times = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        code, _ = await update(call, params={"api_key": "sk-good-0123456789"})
        assert code == 0
        await call.send(audio)
        await call.until_finalized("end")

    config = properties(server.url, api_key="sk-wrong-0123456789")
    call = run_call(config, script)
    assert call.texts == text_of([1, 2])
    assert abs(call.finals[0]["start_ms"] - times[0][0]) <= 20


def test_a_better_configuration_revives_an_inert_extension(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        code, _ = await update(call, params={"sample_rate": 16000})
        assert code == 0
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url, sample_rate="fast"), script)
    assert call.texts == text_of([1, 2])


@pytest.mark.parametrize(
    "wrong", [{"sample_rate": "fast"}, {"api_key": "sk-wrong-0123456789"}]
)
def test_a_finalize_is_its_callers_also_where_no_call_got_what_he_said(
    server, wrong
):
    """The next caller's frames come before the answer to it."""
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        call.session_id = "first"
        await call.send(audio)
        better = {"sample_rate": 16000, "api_key": "sk-good-0123456789"}
        assert (await update(call, params=better))[0] == 0
        await call.finalize("asked")
        call.session_id = "second"
        await call.send(audio)
        await call.until(lambda: "asked" in call.ends)
        await call.until_finalized("end")

    call = run_call(properties(server.url, **wrong), script)
    ends = {
        end["finalize_id"]: end["metadata"].get("session_id")
        for end in call.of("asr_finalize_end")
    }
    assert ends == {"asked": "first", "end": "second"}


def test_other_commands_are_acknowledged(server):
    async def script(call: Call) -> None:
        result, error = await call.command("flush")
        assert error is None
        assert result is not None
        assert result.get_status_code() == 0

    run_call(properties(server.url), script)


def test_without_auto_connect_audio_is_kept_until_the_trigger(server):
    audio, times = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        assert server.sessions == []
        await call.send_data("trigger_connect")
        await call.until_finalized("end")

    config = properties(server.url, top={"auto_connect": False})
    call = run_call(config, script)
    assert call.texts == text_of(*TURNS)
    for final, (start, _) in zip(call.finals, times, strict=True):
        assert abs(final["start_ms"] - start) <= 20
    for metric in call.of("metrics"):
        assert metric["metadata"]["session_id"] == "7"


def test_an_unknown_property_of_the_node_is_in_the_way_of_no_update(
    server,
):
    """It had a warning as it was loaded; a wrong field of an update has none
    of that mildness."""

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        assert await update(call, params={"prompt": "TEN"}) == (0, "applied")
        assert await update(call, params={"log_level": "WARN"}) == (
            0,
            "applied",
        )
        for wrong in ({"flavour": "mint"}, {"params": {"flavour": "mint"}}):
            code, message = await update(call, **wrong)
            assert code == -1
            assert message.startswith("params.flavour: unknown field")
        assert await update(call, prompt="other") == (0, "applied")

    top = {"flavour": "vanilla", "colours": {"a": 1}}
    run_call(properties(server.url, top=top), script)
    request = server.sessions[0].config["audio"]["input"]["transcription"]
    assert request["prompt"] == "other"


async def test_a_session_lost_at_the_stop_waits_for_no_update():
    """Which waits for the stop, as the stop does for what is told by then."""
    extension = OpenAIASRExtension("asr")
    extension.stopped = True
    lost = SessionLost(Fault("retry", "503", "no"), 0, 1, False)
    async with extension._lifecycle.deciding:
        telling = asyncio.ensure_future(
            extension._handlers.on_asr_client_error(lost)
        )
        done, _ = await asyncio.wait({telling}, timeout=30)
    assert done == {telling}
    # There is no runtime that it could be sent to.
    assert isinstance(telling.exception(), (AttributeError, type(None)))
