"""What the service says about the connection, as TEN hears it."""

from __future__ import annotations

import json

from asr_call import Call, properties, run_call, spoken, text_of
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from devkit.server import Faults, ServerThread

FATAL = -1000


def test_an_expired_ephemeral_key_is_one_fatal_error_that_helps():
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    with ServerThread(keys=["ek_fresh"]) as server:
        call = run_call(
            properties(server.url, api_key="ek_stale_0123456789"), script
        )
        assert len(server.sessions) == 1
    assert call.codes == [FATAL]
    assert "mint a new one" in call.errors[0]["message"]
    assert "ek_stale" not in str(call.messages)


def test_unknown_events_are_ignored_and_counted(host_log):
    audio, _ = spoken([[1, 2, 3]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    with ServerThread(faults=Faults(unknown_events=1)) as server:
        call = run_call(properties(server.url), script)
    assert call.texts == text_of([1, 2, 3])
    assert call.errors == []
    assert "server messages ignored: " in host_log.text


def test_an_update_does_not_say_a_warning_again(server, host_log):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        for language in ("de", "fr"):
            update = json.dumps({"params": {"language": language}})
            result, error = await call.command("update_configs", update)
            assert error is None
            assert result.get_property_int("code") == (0, None)

    run_call(properties(server.url), script)
    assert host_log.text.count("shuts down on 2027-02-26") == 1


def test_a_peer_that_leaves_before_the_request_is_an_outage(
    server, monkeypatch
):
    """As uvloop has it raised by `websockets`."""
    left = 2

    async def handshake(self: object, *headers: object, **more: object) -> None:
        nonlocal left
        if left:
            left -= 1
            raise ConnectionClosedError(None, None)
        await real(self, *headers, **more)

    real = ClientConnection.handshake
    monkeypatch.setattr(ClientConnection, "handshake", handshake)

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    call = run_call(properties(server.url), script)
    assert call.codes == [1000] * len(call.codes)
    for error in call.errors:
        assert "no HTTP response was received" in error["message"]
    assert call.errors
