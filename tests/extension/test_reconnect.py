"""Outages and refusals, over a real socket."""

from __future__ import annotations

import pytest
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import Faults, ServerThread

FATAL, NON_FATAL = -1000, 1000


def test_a_broken_connection_loses_and_doubles_nothing(server):
    turns = [[n * 10 + k for k in range(4)] for n in range(1, 7)]
    audio, times = spoken(turns)

    async def script(call: Call) -> None:
        at = 0
        for index, (start, _) in enumerate(times):
            # In the middle of the turn's second word.
            middle = (start + 350) * 16
            await call.send(audio[at:middle])
            at = middle
            await call.until_finals(index)
            server.wait_for(
                lambda n=index: (
                    len(server.sessions) > n and server.sessions[-1].audio_bytes
                )
            )
            server.drop_connections(abort=True)
            await call.until(
                lambda i=index: len(call.metric("connect_delay")) > i + 1
            )
        await call.send(audio[at:])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*turns)
    for final, (start, _) in zip(call.finals, times, strict=True):
        assert abs(final["start_ms"] - start) <= 20
    assert len(server.sessions) == 7
    assert {e["code"] for e in call.errors} == {NON_FATAL}


def test_speech_during_an_outage_is_delivered_afterwards(server):
    turns = [[1, 2], [3, 4], [5, 6]]
    audio, times = spoken(turns)

    async def script(call: Call) -> None:
        await call.send(audio[: times[0][1] * 16 + 16000])
        await call.until_finals(1)
        server.stop_listening()
        server.drop_connections(abort=True)
        await call.until(lambda: call.errors)
        await call.send(audio[times[0][1] * 16 + 16000 :])
        await call.until(lambda: len(call.errors) >= 2)
        server.start_listening()
        await call.until_finalized("end")

    call = run_call(properties(server.url, finalize_timeout_ms=30000), script)
    assert call.texts == text_of(*turns)


def test_a_service_that_is_not_there_yet_is_waited_for():
    audio, _ = spoken([[1, 2, 3]])
    with ServerThread(engine="script") as server:
        server.stop_listening()

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until(lambda: call.errors)
            server.start_listening()
            await call.until_finalized("end")

        call = run_call(
            properties(server.url, finalize_timeout_ms=30000), script
        )
    assert call.texts == text_of([1, 2, 3])
    first = call.errors[0]
    assert first["code"] == NON_FATAL
    assert first["module"] == "asr"
    assert first["vendor_info"]["vendor"] == "openai"
    assert first["vendor_info"]["code"] == "refused"


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("sk-wrong-0123456789", None, "invalid_api_key"),
        ("sk-good-0123456789", 401, "invalid_api_key"),
        ("sk-good-0123456789", 403, "403"),
    ],
)
def test_a_refused_key_is_one_fatal_error_and_no_further_attempt(
    server, key, status, code
):
    audio, _ = spoken([[1, 2]])
    if status is not None:
        server.refuse(True, http_status=status)

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        await call.send(audio)
        await call.until_finalized("a")
        await call.until_finalized("b")

    call = run_call(properties(server.url, api_key=key), script)
    assert call.codes == [FATAL]
    info = call.errors[0]["vendor_info"]
    assert info["vendor"] == "openai"
    if status is None:
        assert info["code"] == code
    assert key not in str(call.messages)
    assert call.ends == ["a", "b"]
    assert call.finals == []
    assert len(server.sessions) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_http_refusal_is_tried_again(server, status):
    audio, _ = spoken([[1, 2]])
    server.refuse(True, http_status=status)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until(lambda: call.errors)
        server.refuse(False)
        await call.until_finalized("end")

    call = run_call(properties(server.url, finalize_timeout_ms=30000), script)
    assert call.texts == text_of([1, 2])
    assert call.errors[0]["code"] == NON_FATAL
    assert call.errors[0]["vendor_info"]["code"] in (
        str(status),
        "rate_limit_exceeded",
        "server_error",
    )


def test_refused_settings_are_fatal_and_say_which(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    config = properties(
        server.url,
        # Only what is passed through unchecked can still be refused.
        session={"audio": {"input": {"transcription": {"keywords": ["TEN"]}}}},
    )
    call = run_call(config, script)
    assert call.codes == [FATAL]
    assert "keywords" in call.errors[0]["message"]
    assert len(server.sessions) == 1


def test_a_session_that_expires_is_followed_by_the_next(server):
    turns = [[1, 2], [3, 4]]
    audio, times = spoken(turns)
    middle = (times[1][0] + 300) * 16

    async def script(call: Call) -> None:
        await call.send(audio[:middle])
        await call.until_finals(1)
        server.expire_sessions()
        await call.until(lambda: len(server.sessions) == 2)
        await call.send(audio[middle:])
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert call.texts == text_of(*turns)
    assert server.sessions[0].close_code == 1001


def test_a_turn_that_fails_once_is_sent_again():
    turns = [[1, 2], [3, 4]]
    audio, _ = spoken(turns)
    with ServerThread(engine="script", faults=Faults(failed=1)) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
    assert call.texts == text_of(*turns)
    assert call.errors == []


def test_a_turn_that_always_fails_is_reported_and_passed_over():
    turns = [[1, 2], [3, 4]]
    audio, times = spoken(turns)
    faults = Faults(failed_text="w000001", failed_code="invalid_request_error")
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
    assert call.texts == text_of([3, 4])
    assert [e["code"] for e in call.errors] == [NON_FATAL]
    assert f"from {times[0][0]} ms on" in call.errors[0]["message"]


def test_finals_leave_in_spoken_order():
    turns = [[n] for n in range(1, 9)]
    audio, _ = spoken(turns, pause_ms=800)
    faults = Faults(swapped_completed="every:2", slow_completed_ms=500)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
    assert call.texts == text_of(*turns)


def test_a_repeated_completed_is_delivered_once():
    turns = [[1], [2], [3]]
    audio, _ = spoken(turns)
    faults = Faults(
        duplicate_completed="always",
        late_delta="always",
        repeated_speech_stopped="always",
        unknown_events="always",
        missing_usage="always",
    )
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until_finalized("end")

        call = run_call(properties(server.url), script)
    assert call.texts == text_of(*turns)
    assert call.errors == []


def test_a_server_that_freezes_is_given_up_within_the_set_time(server):
    turns = [[1, 2], [3, 4], [5, 6]]
    audio, times = spoken(turns)

    async def script(call: Call) -> None:
        first = times[0][1] * 16 + 16000
        await call.send(audio[:first])
        await call.until_finals(1)
        server.freeze()
        await call.send(audio[first:])
        await call.until(lambda: call.errors)
        server.thaw()
        await call.until_finalized("end")

    call = run_call(
        properties(
            server.url, peer_timeout_ms=2000, finalize_timeout_ms=30_000
        ),
        script,
    )
    assert "does not answer" in call.errors[0]["message"]
    assert call.texts == text_of(*turns)
