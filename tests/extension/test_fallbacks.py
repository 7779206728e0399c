"""A call that moves from one service to another and back, over sockets."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import ServerThread

TURNS = [[n * 10 + k for k in range(4)] for n in range(1, 7)]
SWITCHED = "endpoint_switched"


@pytest.fixture
def other():
    with ServerThread(engine="script") as server:
        yield server


def node(first: Any, other: Any, **more: Any) -> dict[str, Any]:
    given = {
        "fallbacks": [{"base_url": other.url, "model": "whisper-1"}],
        "fallback_after_ms": 500,
        "fallback_retry_ms": 1000,
        "finalize_timeout_ms": 30000,
        **more,
    }
    return properties(first.url, **given)


def endpoints(call: Call) -> list[str]:
    return [final["metadata"]["asr_info"]["endpoint"] for final in call.finals]


def switches(call: Call) -> list[str]:
    return [
        error["message"]
        for error in call.errors
        if error["vendor_info"].get("code") == SWITCHED
    ]


def in_order_once(call: Call, times: list[tuple[int, int]]) -> None:
    assert call.texts == text_of(*TURNS)
    for final, (start, _) in zip(call.finals, times, strict=True):
        assert abs(final["start_ms"] - start) <= 20


@pytest.mark.parametrize(
    ("model", "turns", "ways"),
    [
        ("gpt-4o-transcribe", "server_vad", ("websocket", "websocket")),
        ("gpt-live-transcribe", "none", ("websocket", "websocket")),
        ("gpt-4o-transcribe", "none", ("websocket", "http")),
        ("gpt-4o-transcribe", "none", ("http", "websocket")),
        ("gpt-4o-transcribe", "none", ("http", "http")),
    ],
)
def test_it_moves_and_comes_back_three_times(server, other, model, turns, ways):
    """By an outage, by a quota and by a refused model."""
    audio, times = spoken(TURNS)
    ends = [end * 16 + 12000 for _, end in times]
    # Else that it is away is seen with the next turn, and that it is back but
    # for the quota or the model with another one.
    in_sessions = ways[0] == "websocket"

    async def away(call: Call, number: int) -> None:
        if number == 0:
            server.stop_listening()
        else:
            code = ("insufficient_quota", "model_not_found")[number - 1]
            server.refuse(True, error=code)
        server.drop_connections(abort=True)
        if in_sessions:
            await call.until(lambda: len(switches(call)) > 2 * number)

    async def back(call: Call, number: int) -> None:
        server.refuse(False)
        if number == 0:
            server.start_listening()
        await call.until(lambda: len(switches(call)) > 2 * number + 1)

    async def turn_is_over(call: Call, number: int) -> None:
        if turns == "none":
            await call.finalize(str(number))
        await call.until_finals(number)

    async def script(call: Call) -> None:
        at = 0
        for number in range(3):
            # In the middle of the turn's second word.
            middle = (times[2 * number][0] + 350) * 16
            await call.send(audio[at:middle])
            await away(call, number)
            await call.send(audio[middle : ends[2 * number]])
            await turn_is_over(call, 2 * number + 1)
            await back(call, number)
            at = ends[2 * number + 1]
            await call.send(audio[ends[2 * number] : at])
            await turn_is_over(call, 2 * number + 2)
        await call.send(audio[at:])
        await call.until_finalized("end")

    call = run_call(
        node(
            server,
            other,
            model=model,
            input_audio_transcription={},
            turn_detection={"type": turns},
            transport=ways[0],
            # The package is loaded for the first file.
            fallback_after_ms=2000 if "http" in ways else 500,
            fallback_retry_ms=1000,
            fallbacks=[
                {
                    "base_url": other.url,
                    "model": "whisper-1",
                    "transport": ways[1],
                }
            ],
        ),
        script,
    )
    in_order_once(call, times)
    if in_sessions:
        assert endpoints(call) == ["fallbacks[0]", "primary"] * 3
        assert len(switches(call)) == 6
    assert endpoints(call)[::2] == ["fallbacks[0]"] * 3
    assert "primary" in endpoints(call)
    assert {error["code"] for error in call.errors} == {1000}
    counters = [
        metrics["endpoint_switches"]
        for metrics in call.metric("vendor_metrics")
        if "endpoint_switches" in metrics
    ]
    assert counters[-1] == len(switches(call))


def test_a_refused_key_is_fatal_only_where_both_refuse(server, other):
    audio, times = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    key = "sk-wrong-0123456789"
    call = run_call(
        node(
            server,
            other,
            api_key=key,
            fallbacks=[
                {"base_url": other.url, "api_key": "sk-good-0123456789"}
            ],
        ),
        script,
    )
    in_order_once(call, times)
    assert set(endpoints(call)) == {"fallbacks[0]"}
    assert key not in str(call.messages)

    async def in_vain(call: Call) -> None:
        await call.until(lambda: call.codes and call.codes[-1] == -1000)
        await call.until_finalized("end")

    call = run_call(
        node(server, other, api_key=key, fallbacks=[{"base_url": other.url}]),
        in_vain,
    )
    assert call.codes[-1] == -1000
    assert len(switches(call)) == 1


def test_a_service_that_swallows_attempts_is_left(other):
    """Nothing answers there, and the attempt hangs."""

    audio, times = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}/v1"
        node_ = properties(
            url,
            fallbacks=[{"base_url": other.url}],
            fallback_after_ms=500,
            finalize_timeout_ms=30000,
        )
        call = run_call(node_, script)
    in_order_once(call, times)
    assert set(endpoints(call)) == {"fallbacks[0]"}


def test_update_configs_changes_the_list(server, other):
    audio, _ = spoken(TURNS)
    server.refuse(True, http_status=401)

    async def script(call: Call) -> None:
        await call.until(lambda: call.codes == [-1000])
        fallbacks = [{"base_url": other.url, "api_key": "sk-good-0123456789"}]

        result, _ = await call.command(
            "update_configs", json.dumps({"fallbacks": fallbacks})
        )
        assert result is not None
        assert result.get_property_int("code")[0] == 0
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url, finalize_timeout_ms=30000), script)
    assert call.texts == text_of(*TURNS)
    assert set(endpoints(call)) == {"fallbacks[0]"}


def test_the_ca_file_of_a_fallback_is_named(server):
    fallback = {"base_url": "wss://asr.test/v1", "ca_file": "/no/such.pem"}

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    call = run_call(properties(server.url, fallbacks=[fallback]), script)
    assert call.codes == [-1000]
    assert "fallbacks[0].ca_file: " in call.errors[0]["message"]
