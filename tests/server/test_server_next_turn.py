"""An accepted update binds at the next turn, not in the middle of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from realtime_client import COMMITTED, COMPLETED, DELTA, Client, session

from devkit.script_audio import encode_words, speak
from devkit.server import LocalServer

BUFFER = "input_audio_buffer"
STARTED = f"{BUFFER}.speech_started"
UPDATED = "session.updated"
MODEL = "gpt-4o-transcribe"
LIVE = "gpt-live-transcribe"
VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 100,
    "silence_duration_ms": 300,
}
SILENCE = np.zeros(24_000, np.int16)  # 1 s


async def update(client: Client, **audio_input: Any) -> dict[str, Any]:
    """The answer, which comes at once."""
    await client.send(
        "session.update",
        session={"type": "transcription", "audio": {"input": audio_input}},
    )
    return await client.until(UPDATED)


def prompted(text: str, model: str = MODEL) -> dict[str, Any]:
    return {"model": model, "prompt": text}


def prompts(server: LocalServer) -> list[str | None]:
    """The prompt of each item so far."""
    configs = [item.config for item in server.sessions[0].items]
    assert all(config is not None for config in configs)
    return [config["prompt"] for config in configs if config]


@pytest.mark.parametrize("lenient", [False, True])
async def test_turns_that_the_client_commits(lenient: bool) -> None:
    rules = ["next-turn"] if lenient else []
    async with (
        LocalServer(lenient=rules) as server,
        session(server, prompt="old") as client,
    ):
        await client.speak(encode_words([1], 24_000))
        event = await update(client, transcription=prompted("new"))
        shown = event["session"]["audio"]["input"]["transcription"]
        assert shown["prompt"] == "new"
        # Audio after the answer belongs to the turn that has begun.
        await client.say(2)
        await client.say(3)
        await client.until(COMPLETED, 2)
        assert prompts(server) == ["new" if lenient else "old", "new"]
        config = server.sessions[0].config
        assert config is not None
        item = server.sessions[0].items[1]
        assert item.config == config["audio"]["input"]["transcription"]


async def test_with_an_empty_buffer_it_binds_at_once() -> None:
    async with LocalServer() as server, session(server, prompt="a") as client:
        await update(client, transcription=prompted("b"))
        await client.say(1)
        # Right after a commit nothing of the next turn has begun.
        await update(client, transcription=prompted("c"))
        await client.say(2)
        record = server.sessions[0]
        await server.until(lambda: len(record.transcripts) == 2)
        assert prompts(server) == ["b", "c"]


async def test_clear_ends_the_turn() -> None:
    async with LocalServer() as server, session(server, prompt="a") as client:
        await client.speak(encode_words([1], 24_000))
        await update(client, transcription=prompted("b"))
        await client.send(f"{BUFFER}.clear")
        await client.say(2)
        await client.until(COMPLETED)
        assert prompts(server) == ["b"]


async def test_the_latest_of_several_updates_binds() -> None:
    async with LocalServer() as server, session(server, prompt="a") as client:
        await client.speak(encode_words([1], 24_000))
        await update(client, transcription=prompted("b"))
        await update(client, transcription=prompted("c"))
        await client.send(
            "session.update",
            session={"type": "transcription", "voice": "refused"},
        )
        await client.until("error")
        # A commit of too little does not end the turn.
        await client.say(2)
        await client.say(3)
        await client.until(COMPLETED, 2)
        assert prompts(server) == ["a", "c"]


async def test_keywords_languages_and_delay_of_an_item() -> None:
    old = {"languages": ["de"], "keywords": ["TEN"], "delay": "low"}
    async with (
        LocalServer() as server,
        session(server, LIVE, **old) as client,
    ):
        await client.speak(encode_words([1], 24_000))
        await update(
            client,
            transcription={"model": LIVE, "languages": ["fr"], "keywords": []},
        )
        await client.send(f"{BUFFER}.commit")
        await client.say(2)
        await client.until(COMPLETED, 2)
        first, second = (item.config for item in server.sessions[0].items)
        common = {"model": LIVE, "language": None, "prompt": None}
        assert first == {**common, **old}
        assert second == {**common, "languages": ["fr"], "delay": "low"}


async def test_deltas_of_an_open_turn_are_not_repeated() -> None:
    samples, _ = speak([[1, 2]], 24_000, 100)
    async with LocalServer() as server, session(server, LIVE) as client:
        await client.speak(samples)
        await client.until(DELTA, 2)
        await update(client, transcription={"model": LIVE, "prompt": "x"})
        await client.say(3)
        completed = await client.until(COMPLETED)
        deltas = "".join(event["delta"] for event in client.of(DELTA))
        assert deltas == completed["transcript"] == "w000001 w000002 w000003"


@pytest.mark.parametrize("vad_too", [False, True])
async def test_turns_that_the_server_detects(vad_too: bool) -> None:
    change: dict[str, Any] = {"transcription": prompted("new")}
    if vad_too:
        change["turn_detection"] = {**VAD, "silence_duration_ms": 500}
    async with (
        LocalServer() as server,
        session(server, vad=VAD, prompt="old") as client,
    ):
        await client.speak(encode_words([1, 2], 24_000))
        await client.until(STARTED)
        await update(client, **change)
        # The turn ends after the old silence, and the next one in the same
        # append is heard as well.
        samples, _ = speak([[3], [4]], 24_000, 1000)
        await client.append(samples.tobytes())
        await client.until(COMPLETED, 2)
        assert prompts(server) == ["old", "new"]
        heard = server.sessions[0].transcripts
        assert heard == ["w000001 w000002 w000003", "w000004"]
        end = 480 + 200 + 200  # ms: two words, a pause, and the third one
        first, second = server.sessions[0].commits
        assert first.end_ms == end + 300
        silence = 500 if vad_too else 300
        assert second.end_ms == end + 1000 + 200 + silence
        assert client.types().count(STARTED) == 2


async def test_between_turns_of_the_server_it_binds_at_once() -> None:
    async with (
        LocalServer() as server,
        session(server, vad=VAD, prompt="old") as client,
    ):
        await client.speak(SILENCE)
        await update(client, transcription=prompted("new"))
        await client.speak(speak([[1]], 24_000, 500)[0])
        await client.until(COMPLETED)
        assert prompts(server) == ["new"]


async def test_turn_detection_off_in_the_middle_of_speech() -> None:
    words, _ = speak([[1]], 24_000, 0)
    async with (
        LocalServer() as server,
        session(server, vad=VAD, prompt="old") as client,
    ):
        await client.speak(words)
        await client.until(STARTED)
        await update(
            client, turn_detection=None, transcription=prompted("", LIVE)
        )
        # The server ends this turn, the client the next one; its audio came
        # with that of the first, and is streamed to the new model.
        samples, _ = speak([[2], [3]], 24_000, 1000)
        await client.append(samples.tobytes())
        await client.until(COMMITTED)
        await client.until(DELTA, 2)
        await client.send(f"{BUFFER}.commit")
        await client.until(COMPLETED)
        record = server.sessions[0]
        await server.until(lambda: len(record.transcripts) == 2)
        assert record.transcripts == ["w000001 w000002", "w000003"]
        assert [commit.by for commit in record.commits] == ["vad", "client"]
        assert [i.config["model"] for i in record.items if i.config] == [
            MODEL,
            LIVE,
        ]


async def test_turn_detection_on_takes_over_at_once() -> None:
    async with (
        LocalServer() as server,
        session(server, LIVE, prompt="old") as client,
    ):
        await client.speak(SILENCE)
        await update(client, turn_detection=VAD, transcription=prompted("new"))
        # Nothing of the audio from before is in this turn.
        await client.speak(SILENCE)
        await client.speak(speak([[1], [2]], 24_000, 500)[0])
        await client.until(COMPLETED, 2)
        assert prompts(server) == ["new", "new"]
        commits = server.sessions[0].commits
        assert [commit.by for commit in commits] == ["vad", "vad"]


async def test_audio_from_before_turn_detection_keeps_its_settings() -> None:
    async with LocalServer() as server, session(server, prompt="a") as client:
        await client.speak(encode_words([1], 24_000))
        await update(client, turn_detection=VAD, transcription=prompted("b"))
        await client.send(f"{BUFFER}.commit")  # on its way already
        await client.until(COMPLETED)
        await client.speak(speak([[2]], 24_000, 500)[0])
        await client.until(COMPLETED)
        assert server.sessions[0].transcripts == ["w000001", "w000002"]
        assert prompts(server) == ["a", "b"]


async def test_a_turn_with_padding_from_before_keeps_its_settings() -> None:
    async with LocalServer() as server, session(server, prompt="a") as client:
        await client.speak(SILENCE)
        await update(client, turn_detection=VAD, transcription=prompted("b"))
        await client.speak(speak([[1], [2]], 24_000, 500, lead_ms=0)[0])
        await client.until(COMPLETED, 2)
        assert server.sessions[0].commits[0].start_ms == 900
        assert prompts(server) == ["a", "b"]


async def test_the_format_switches_in_the_middle_of_a_turn() -> None:
    async with LocalServer() as server, session(server, prompt="a") as client:
        await client.speak(encode_words([1], 24_000))
        await update(
            client,
            format={"type": "audio/pcmu"},
            transcription=prompted("b"),
        )
        await client.append(bytes([0xFF]) * 1600)  # 200 ms
        await client.send(f"{BUFFER}.commit")
        await client.until(COMPLETED)
        assert prompts(server) == ["a"]
        assert server.sessions[0].commits[0].end_ms == 400
