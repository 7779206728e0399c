"""A call in which the test itself plays the service's answers."""

from __future__ import annotations

from typing import Any

from asr_call import Call, properties, run_call, spoken

from devkit.server import Faults, ServerThread

PREFIX = "conversation.item.input_audio_transcription."


def answered(
    *events: dict[str, Any], finalize: bool = True, **params: Any
) -> Call:
    """A call with one turn of audio, for whose item the service says these
    transcription events (their types without the prefix)."""
    audio, _ = spoken([[1, 2]])
    # Only the first: a finalize may make an item of the silence behind it.
    faults = Faults(never_completed=1)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await server.until(
                lambda: server.sessions and server.sessions[0].items
            )
            item = server.sessions[0].items[0].item_id
            for event in events:
                kind = PREFIX + event["type"]
                server.send({"item_id": item, **event, "type": kind})
            if finalize:
                await call.until_finalized("end")

        return run_call(properties(server.url, **params), script)
