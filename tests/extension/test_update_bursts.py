"""Many `update_configs` at once while somebody speaks on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import ServerThread

WORDS = [*range(1, 25)]
GOOD, WRONG = "sk-good-0123456789", "sk-wrong-0123456789"
Answer = tuple[int, str, str]
UPDATED: list[dict[str, Any]] = [
    {"prompt": "one"},
    {"language": "de"},
    {"input_audio_noise_reduction": {"type": "far_field"}},
    {"turn_detection": {"silence_duration_ms": 700}},
    {"keywords": ["two"]},
    {"prompt": "three", "stop_timeout_ms": 500},
]
MOVED: list[dict[str, Any]] = [
    {"model": "whisper-1"},
    {"api_key": GOOD},
    {"headers": {"X-A": "b"}},
    {"model": "gpt-4o-mini-transcribe"},
]
INVALID = {"turn_detection": {"threshold": 7}}
FIXED = {"input_audio_format": "g711_ulaw"}


async def update(call: Call, params: dict[str, Any]) -> Answer:
    """Code, message, and from when on it applies."""
    result, error = await call.command(
        "update_configs", json.dumps({"params": params})
    )
    assert error is None
    assert result is not None
    return (
        result.get_property_int("code")[0],
        result.get_property_string("message")[0],
        result.get_property_string("applies")[0],
    )


async def overtake(call: Call) -> None:
    """Until what was sent before has begun, or waits; these do not."""
    await asyncio.sleep(0)
    for _ in range(5):
        answer = await update(call, {"log_level": "WARN"})
        assert answer == (0, "applied", "at once")


def burst(server: ServerThread, commands: list[dict[str, Any]]) -> list[Answer]:
    """The answers to ``commands`` that come all at once in the speech of a
    call, while the service is silent.  No word is lost or doubled."""
    audio, _ = spoken([WORDS])
    pause = np.zeros(16000, np.int16)
    answers: list[Answer] = []

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        await call.send(audio[: len(audio) // 2])
        await server.until(lambda: server.sessions[0].audio_ms > 1000)
        server.freeze()
        asked = [asyncio.ensure_future(update(call, commands[0]))]
        await overtake(call)
        asked += [asyncio.ensure_future(update(call, c)) for c in commands[1:]]
        await overtake(call)
        for command, task in zip(commands, asked, strict=True):
            if command in (INVALID, FIXED):
                # No matter of the service, nor of the others.
                await task
        server.thaw()
        # Nobody pauses, but somebody waits.
        await asyncio.wait(asked[:1])
        assert call.finals == []
        await call.send(audio[len(audio) // 2 :])
        await call.send(pause)
        answers.extend(await asyncio.gather(*asked))
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    words = " ".join(call.texts).split()
    assert words == text_of(WORDS)[0].split()
    assert call.errors == []
    return answers


def told(server: ServerThread) -> dict[str, Any]:
    """The settings of the last session that came about."""
    config = [s.config for s in server.sessions if s.config_updates][-1]
    assert config is not None
    settings: dict[str, Any] = config["audio"]["input"]
    return settings


@pytest.mark.parametrize(
    ("commands", "sessions"), [(UPDATED, 1), (UPDATED + MOVED, 2)]
)
def test_a_burst_is_two_changes(server, commands, sessions):
    moved = sessions == 2
    commands = [*commands, {"prompt": "last"}]
    answers = burst(server, commands)
    assert [answer[:2] for answer in answers] == [(0, "applied")] * len(answers)
    # All that were merged have the same answer.
    assert len(set(answers[1:])) == 1
    assert len(server.sessions) == sessions
    # The first settings, one command, and all the others.
    assert sum(s.config_updates for s in server.sessions) == 3
    settings = told(server)
    assert settings["noise_reduction"] == {"type": "far_field"}
    assert settings["turn_detection"]["silence_duration_ms"] == 700
    request = settings["transcription"]
    assert (request["language"], request["prompt"]) == (
        "de",
        "last Keywords: two.",
    )
    assert (request["model"] == "gpt-4o-mini-transcribe") == moved


@pytest.mark.parametrize("place", [0, 5, 11])
def test_of_twelve_those_that_are_refused_take_none_with_them(server, place):
    wrong = {"api_key": WRONG}
    commands = [*UPDATED, *MOVED[::2], {"prompt": "last"}, INVALID, FIXED]
    commands.insert(place, wrong)
    answers = burst(server, commands)
    for command, (code, message, _) in zip(commands, answers, strict=True):
        if command is wrong:
            assert code == -1
            assert "Incorrect API key" in message
        elif command in (INVALID, FIXED):
            assert code == -1
            assert next(iter(command)) in message
        else:
            assert (code, message) == (0, "applied"), command
    # It is found by halves, and what is not to blame is merged again.
    assert len(server.sessions) <= 7
    request = told(server)["transcription"]
    assert (request["model"], request["language"]) == ("whisper-1", "de")


def test_a_dead_call_is_begun_anew_by_those_that_may_do_so(server):
    """Its key was wrong; of what comes then one is refused again."""
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        bogus = {"session": {"bogus": 1}}
        answers = await asyncio.gather(
            *(
                update(call, params)
                for params in ({"api_key": GOOD}, bogus, {"prompt": "one"})
            )
        )
        assert [code for code, _, _ in answers] == [0, -1, 0]
        assert "bogus" in answers[1][1]
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url, api_key=WRONG), script)
    assert call.texts == text_of([1, 2])
    assert told(server)["transcription"]["prompt"] == "one"


def test_before_the_connection_any_key_may_change(server):
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        answers = await asyncio.gather(
            update(call, {"finalize_timeout_ms": 4000}),
            update(call, {"input_audio_format": "g711_ulaw"}),
            update(call, {"prompt": "one"}),
        )
        assert answers == [(0, "applied", "at once")] * 3
        await call.send(audio)
        await call.until_finalized("end")

    config = properties(server.url, top={"auto_connect": False})
    call = run_call(config, script)
    assert call.texts == text_of([1, 2])
    assert told(server)["transcription"]["prompt"] == "one"
    assert told(server)["format"]["type"] == "audio/pcmu"
