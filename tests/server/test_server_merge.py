"""session.update is a merge: what stays, what clears, what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from realtime_client import Client, connected

from devkit.server import LocalServer

LIVE = "gpt-live-transcribe"
LOGPROBS = "item.input_audio_transcription.logprobs"
FULL = {
    "model": LIVE,
    "languages": ["de", "en"],
    "keywords": ["TEN"],
    "prompt": "a call",
    "delay": "low",
}


async def update(
    client: Client, include: Any = ..., **audio_input: Any
) -> dict[str, Any]:
    session: dict[str, Any] = {"type": "transcription"}
    if audio_input:
        session["audio"] = {"input": audio_input}
    if include is not ...:
        session["include"] = include
    await client.send("session.update", session=session)
    return await client.receive()


def settings(server: LocalServer) -> dict[str, Any]:
    config = server.sessions[-1].config
    assert config is not None
    found: dict[str, Any] = config["audio"]["input"]
    return {**found, "include": config["include"]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"prompt": ""}, {"prompt": None}),
        ({"keywords": []}, {"keywords": None}),
        ({"keywords": ["a", "b"]}, {"keywords": ["a", "b"]}),
        ({"languages": ["fr"]}, {"languages": ["fr"]}),
        ({"delay": "xhigh"}, {"delay": "xhigh"}),
        # null in a text is "not given", as in the echo.
        ({"prompt": None, "language": None}, {}),
        ({"prompt": "", "keywords": []}, {"prompt": None, "keywords": None}),
    ],
)
async def test_a_transcription_object_is_merged(
    change: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        await update(client, transcription=FULL, turn_detection=None)
        event = await update(client, transcription={"model": LIVE, **change})
        assert event["type"] == "session.updated"
        wanted = {"language": None, **FULL, **expected}
        if wanted["keywords"] is None:
            del wanted["keywords"]
        assert settings(server)["transcription"] == wanted


@pytest.mark.parametrize("languages", [[], None])
async def test_languages_can_be_replaced_only(languages: Any) -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        await update(client, transcription=FULL, turn_detection=None)
        event = await update(
            client,
            transcription={"model": LIVE, "languages": languages, "prompt": ""},
        )
        assert event["type"] == "error"
        assert settings(server)["transcription"]["languages"] == ["de", "en"]
        assert settings(server)["transcription"]["prompt"] == "a call"


async def test_a_language_cannot_be_cleared() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        await update(client, transcription={"model": "whisper-1"})
        for language, code in (
            ("de", "de"),
            (None, "de"),
            ("", None),
            ("fr", "fr"),
        ):
            event = await update(
                client,
                transcription={"model": "whisper-1", "language": language},
            )
            assert (event["type"] == "error") is (code is None)
            assert settings(server)["transcription"]["language"] == (
                code or "de"
            )


async def test_include_stays() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        for include in ([LOGPROBS], ..., None, []):
            event = await update(client, include)
            assert event["session"]["include"] == [LOGPROBS]


async def test_objects_are_merged_and_null_clears_them() -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        await update(
            client,
            noise_reduction={"type": "near_field", "strength": 0.25},
            turn_detection={"type": "server_vad", "threshold": 0.7},
        )
        await update(
            client,
            noise_reduction={"type": "far_field"},
            turn_detection={"type": "server_vad", "prefix_padding_ms": 10},
        )
        now = settings(server)
        assert now["noise_reduction"] == {"type": "far_field", "strength": 0.25}
        assert now["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.7,
            "prefix_padding_ms": 10,
            "silence_duration_ms": 200,
        }
        await update(client, noise_reduction={"strength": 1})
        now = settings(server)
        assert now["noise_reduction"] == {"type": "far_field", "strength": 1}
        await update(
            client,
            noise_reduction=None,
            turn_detection=None,
            transcription=FULL,
        )
        await update(client, transcription=None)
        now = settings(server)
        assert now["noise_reduction"] is now["turn_detection"] is None
        assert now["transcription"] is None
        # Nothing comes back from before null.
        await update(client, transcription={"model": LIVE})
        await update(client, noise_reduction={"type": "near_field"})
        now = settings(server)
        assert now["noise_reduction"] == {"type": "near_field"}
        assert now["transcription"] == {
            "model": LIVE,
            "language": None,
            "prompt": None,
        }


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (
            {"model": "gpt-4o-transcribe", "prompt": "x"},
            {"model": "gpt-realtime-whisper"},
            "prompt",
        ),
        # Also when it is cleared with the change of the model: strict.
        (
            {"model": "gpt-4o-transcribe", "prompt": "x"},
            {"model": "gpt-realtime-whisper", "prompt": ""},
            "prompt",
        ),
        (
            {"model": "gpt-4o-transcribe", "language": "de"},
            {"model": LIVE, "languages": ["de"]},
            "languages",
        ),
        (
            {"model": "gpt-4o-transcribe", "language": "de"},
            {"model": LIVE},
            "language",
        ),
        ({**FULL, "languages": ["de"]}, {"model": "gpt-transcribe"}, "delay"),
        (
            {"model": LIVE, "languages": ["de"]},
            {"model": "whisper-1", "language": "de"},
            "languages",
        ),
        (
            {"model": "gpt-transcribe", "keywords": ["TEN"]},
            {"model": "whisper-1"},
            "keywords",
        ),
    ],
)
async def test_what_is_kept_must_suit_the_new_model(
    old: dict[str, Any], new: dict[str, Any], field: str
) -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        await update(client, transcription=old, turn_detection=None)
        error = (await update(client, transcription=new))["error"]
        assert error["code"] == "invalid_value"
        assert error["param"] == f"session.audio.input.transcription.{field}"
        assert settings(server)["transcription"]["model"] == old["model"]
        # A new beginning helps.
        await update(client, transcription=None)
        event = await update(client, transcription={"model": new["model"]})
        assert event["type"] == "session.updated"


async def test_a_server_that_does_not_merge() -> None:
    async with (
        LocalServer(lenient=["deep-merge"]) as server,
        connected(server) as client,
    ):
        await client.receive()
        await update(client, [LOGPROBS], transcription=FULL)
        event = await update(client, None, transcription={"model": LIVE})
        assert event["session"]["include"] is None
        assert settings(server)["transcription"] == {
            "model": LIVE,
            "language": None,
            "prompt": None,
        }
        await update(
            client, transcription={"model": "whisper-1", "language": "de"}
        )
        await update(client, transcription={"model": "gpt-4o-transcribe"})
        assert settings(server)["transcription"]["language"] == "de"
