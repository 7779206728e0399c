"""Beginnings of connections that differ, and completed events without text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from realtime_client import (
    COMMITTED,
    COMPLETED,
    DELTA,
    Client,
    connected,
    session,
)

from devkit.server import Faults, LocalServer

CREATED, UPDATED = "session.created", "session.updated"
CLEARED = "input_audio_buffer.cleared"


async def silent(client: Client) -> None:
    """Nothing comes for a while."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.ws.recv(), 0.05)


async def configure(client: Client) -> None:
    """session.update; nothing is read."""
    transcription = {"model": "gpt-4o-transcribe"}
    audio = {"input": {"transcription": transcription, "turn_detection": None}}
    await client.send(
        "session.update", session={"type": "transcription", "audio": audio}
    )


async def test_an_error_in_place_of_created_leaves_the_socket_open() -> None:
    async with LocalServer(faults=Faults(error_for_created=1)) as server:
        async with connected(server) as client:
            event = await client.receive()
            assert event["type"] == "error"
            assert event["error"]["type"] == "server_error"
            assert event["error"]["code"] == "model_load_error"
            assert event["error"]["message"]
            await configure(client)
            await silent(client)
            await asyncio.wait_for(await client.ws.ping(), 5)
            record = server.sessions[0]
            assert record.open
            assert record.session_id is record.config is None
            assert record.client_types() == ["session.update"]
            assert record.faults == ["error_for_created"]
        async with connected(server) as client:
            assert (await client.receive())["type"] == CREATED


async def test_an_error_object_without_type() -> None:
    async with (
        LocalServer(faults=Faults(untyped_error=True)) as server,
        connected(server) as client,
    ):
        event = await client.receive()
        assert event.keys() == {"error"}
        assert event["error"].keys() == {"code", "message"}
        assert await client.closed() == (1008, "")


async def test_no_session_updated() -> None:
    faults = Faults(no_session_updated="session:1")
    async with LocalServer(faults=faults) as server:
        async with connected(server) as client:
            assert (await client.receive())["type"] == CREATED
            await configure(client)
            await client.say(1)
            # It listens, and obeys, and still refuses what is wrong.
            completed = await client.until(COMPLETED)
            assert completed["transcript"] == "w000001"
            await client.send("session.update", session={})
            await client.until("error")
            assert UPDATED not in client.types()
            assert server.sessions[0].config_updates == 1
        async with session(server):
            pass


@pytest.mark.parametrize("append_first", [False, True])
async def test_nothing_before_the_client_speaks(append_first: bool) -> None:
    async with (
        LocalServer(faults=Faults(silent_start="every:1")) as server,
        connected(server) as client,
    ):
        await silent(client)
        assert server.sessions[0].open
        if append_first:
            await client.append(bytes(480))
        else:
            await configure(client)
        assert (await client.receive())["type"] == CREATED
        if append_first:
            await configure(client)
        await client.until(UPDATED)
        await client.say(1)
        await client.until(COMPLETED)
        assert client.types().count(CREATED) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1013, "later"), (3008, "ü" * 60), (4401, "a.b"), (4999, "")],
)
async def test_closed_with_any_code(code: int, reason: str) -> None:
    faults = Faults(closed=1, close_code=code, close_reason=reason)
    async with LocalServer(faults=faults) as server:
        async with connected(server) as client:
            assert await client.closed() == (code, reason)
            assert client.events == []
        await server.until(lambda: not server.sessions[0].open)
        assert server.sessions[0].close_code == code
        async with connected(server) as client:
            assert (await client.receive())["type"] == CREATED


async def test_the_first_item_follows_root() -> None:
    async with LocalServer(faults=Faults(root_predecessor=True)) as server:
        for _ in range(2):
            async with session(server) as client:
                await client.say(1)
                await client.say(2)
                await client.until(COMPLETED, 2)
                first, second = client.of(COMMITTED)
                assert first["previous_item_id"] == "root"
                assert second["previous_item_id"] == first["item_id"]
                added = client.of("conversation.item.added")[0]
                assert added["previous_item_id"] == "root"


@pytest.mark.parametrize("fault", ["null_transcript", "missing_transcript"])
@pytest.mark.parametrize("model", ["gpt-4o-transcribe", "gpt-live-transcribe"])
async def test_completed_without_text(fault: str, model: str) -> None:
    faults: dict[str, Any] = {fault: 1}
    async with (
        LocalServer(faults=Faults(**faults)) as server,
        session(server, model) as client,
    ):
        await client.say(1, 2)
        completed = await client.until(COMPLETED)
        assert ("transcript" in completed) is (fault == "null_transcript")
        assert completed.get("transcript") is None
        deltas = "".join(event["delta"] for event in client.of(DELTA))
        assert deltas == "w000001 w000002"
        await client.say(3)
        assert (await client.until(COMPLETED))["transcript"] == "w000003"
        record = server.sessions[0]
        await server.until(lambda: len(record.transcripts) == 2)
        assert record.transcripts == ["", "w000003"]
        assert record.faults == [fault]
