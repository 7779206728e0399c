"""The vendor's own client runs a session against the local server."""

from __future__ import annotations

import base64

import pytest
from realtime_client import COMPLETED

from devkit.script_audio import speak
from devkit.server import LocalServer

openai = pytest.importorskip("openai", reason="vendor SDK, tests only")


async def test_openai_sdk_transcribes() -> None:
    samples, _ = speak([[1, 2], [3]], 24_000, 600)
    finals = []
    async with LocalServer(keys=["sk-sdk"]) as server:
        client = openai.AsyncOpenAI(
            api_key="sk-sdk",
            base_url="http://unused",
            websocket_base_url=server.url,
        )
        async with (
            client,
            client.realtime.connect(
                extra_query={"intent": "transcription"}
            ) as connection,
        ):
            async for event in connection:
                if event.type == "session.created":
                    assert event.session.type == "transcription"
                    await connection.session.update(
                        session={
                            "type": "transcription",
                            "audio": {
                                "input": {
                                    "transcription": {
                                        "model": "gpt-4o-transcribe"
                                    },
                                    "turn_detection": {
                                        "type": "server_vad",
                                        "silence_duration_ms": 300,
                                    },
                                }
                            },
                        }
                    )
                elif event.type == "session.updated":
                    await connection.input_audio_buffer.append(
                        audio=base64.b64encode(samples.tobytes()).decode()
                    )
                elif event.type == COMPLETED:
                    assert event.usage.type == "tokens"
                    finals.append(event.transcript)
                    if len(finals) == 2:
                        break
                else:
                    assert event.type != "error", event
    assert finals == ["w000001 w000002", "w000003"]
