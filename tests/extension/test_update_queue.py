"""Commands that wait for one another, without a service."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest
from ten_packages.extension.openai_asr_python.call import call as call_module
from ten_packages.extension.openai_asr_python.call import update_queue
from ten_packages.extension.openai_asr_python.call.call import Call, Refused
from ten_packages.extension.openai_asr_python.call.update_queue import (
    UpdateQueue,
)
from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig
from ten_packages.extension.openai_asr_python.properties.updates import Version
from ten_packages.extension.openai_asr_python.realtime.results import (
    SettingsChanged,
)

FIRST = {"params": {"api_key": "sk-test-0123456789", "model": "whisper-1"}}


class LivingCall:
    """The part of a call that the queue knows."""

    def __init__(self) -> None:
        self.config = Version.load(FIRST).config
        self.hurries = 0

    def check(self, config: OpenAIASRConfig) -> None: ...

    def hurry(self) -> None:
        self.hurries += 1


class Changes:
    """A queue whose changes end when the test says so."""

    def __init__(self) -> None:
        self.call: Any = LivingCall()
        self.made: list[OpenAIASRConfig] = []
        self.hurried: list[bool] = []
        self.shown: list[Version] = []
        self._answers: asyncio.Queue[str | Exception] = asyncio.Queue()
        self._begun: asyncio.Queue[OpenAIASRConfig] = asyncio.Queue()
        self.deciding = asyncio.Lock()
        self.queue = UpdateQueue(
            self.deciding, lambda: self.call, self._apply, self.shown.append
        )
        self.queue.start(FIRST)

    async def _apply(
        self, config: OpenAIASRConfig, within_s: float, hurried: bool
    ) -> str:
        self.made.append(config)
        self.hurried.append(hurried)
        self._begun.put_nowait(config)
        answer = await self._answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, **payload: Any) -> asyncio.Task[str]:
        return asyncio.ensure_future(self.queue.carry_out(payload))

    async def ask_together(
        self, *payloads: dict[str, Any]
    ) -> list[asyncio.Task[str]]:
        """Commands of which none is made before the last one is there."""
        async with self.deciding:
            asked = [self.ask(**payload) for payload in payloads]
            await asyncio.sleep(0)
        return asked

    async def begun(self) -> OpenAIASRConfig:
        return await asyncio.wait_for(self._begun.get(), 20)

    def end(self, answer: str | Exception = "next turn") -> None:
        self._answers.put_nowait(answer)


@pytest.fixture
async def changes() -> Changes:
    return Changes()


async def answers(*asked: asyncio.Task[str]) -> list[str]:
    """From when on each applies, or why it is refused."""
    work = asyncio.gather(*asked, return_exceptions=True)
    return [str(answer) for answer in await asyncio.wait_for(work, 20)]


def prompt_of(config: OpenAIASRConfig) -> str:
    return config.input_audio_transcription.prompt


def language_of(config: OpenAIASRConfig) -> str:
    return config.input_audio_transcription.language


async def test_all_that_come_meanwhile_are_made_in_one_change(changes):
    first = changes.ask(language="de")
    await changes.begun()
    others = [changes.ask(prompt=f"call {n}") for n in range(11)]
    local = changes.ask(log_level="WARN")
    assert await local == "at once"
    # Whoever waits hurries the one before.
    assert (changes.call.hurries, changes.hurried) == (12, [False])
    changes.end()
    assert await first == "next turn"
    merged = await changes.begun()
    changes.end("new session")
    assert await answers(*others) == ["new session"] * 11
    assert (language_of(merged), prompt_of(merged)) == ("de", "call 10")
    assert merged.log_level == "WARN"
    assert len(changes.made) == 2
    assert changes.shown[-1].config == merged


async def test_parts_of_what_is_refused_do_not_wait_for_a_pause(changes):
    asked = await changes.ask_together(
        {"prompt": "a"}, {"language": "de"}, {"keywords": ["b"]}, {"prompt": ""}
    )
    refusal = Refused("no")
    # All, the first two, each of them, and the last two.
    for answer in (refusal, refusal, "next turn", refusal, "at once"):
        await changes.begun()
        changes.end(answer)
    assert await answers(*asked) == ["next turn", "no", "at once", "at once"]
    assert changes.hurried == [False, True, True, True, False]


async def test_an_error_of_ours_is_told_without_its_text(changes):
    asked = changes.ask(prompt="a")
    await changes.begun()
    changes.end(RuntimeError("sk-secret"))
    with pytest.raises(Refused, match="internal error: RuntimeError") as told:
        await asked
    assert "sk-secret" not in str(told.value)


async def test_those_that_are_answered_do_not_wait_for_the_rest(changes):
    """The answer to some parts is there before the others are tried."""
    asked = await changes.ask_together(
        *({"prompt": f"call {number}"} for number in range(4))
    )
    for answer in (Refused("no"), "next turn"):
        await changes.begun()
        changes.end(answer)
    assert await answers(*asked[:2]) == ["next turn"] * 2
    await changes.begun()
    assert not asked[2].done()
    for _ in asked[2:]:
        changes.end()
    assert await answers(*asked[2:]) == ["next turn"] * 2


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_a_cancelled_command_leaves_the_others_their_answers(
    changes, number
):
    """One whose change is made, one of a merge, one that waits."""
    asked = [changes.ask(prompt="a")]
    await changes.begun()
    asked += [changes.ask(language="de"), changes.ask(keywords=["b"])]
    waits = changes.ask(log_level="WARN")
    await waits
    gone = asked.pop(number)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    for _ in range(2):
        changes.end()
    assert await answers(*asked) == ["next turn"] * 2
    last = changes.shown[-1].config
    assert bool(prompt_of(last)) == (number != 0)
    assert bool(language_of(last)) == (number != 1)
    assert not changes.deciding.locked()


async def test_a_merge_goes_on_without_the_one_that_led_it(changes):
    asked = await changes.ask_together({"prompt": "a"}, {"language": "de"})
    merged = await changes.begun()
    assert prompt_of(merged) == "a"
    asked[0].cancel()
    changes.end()
    assert await answers(*asked) == ["", "next turn"]
    last = changes.shown[-1].config
    assert (prompt_of(last), language_of(last)) == ("", "de")


async def test_the_end_of_the_call_answers_all_that_are_under_way(changes):
    asked = await changes.ask_together({"prompt": "a"}, {"language": "de"})
    await changes.begun()
    changes.call = None
    changes.end(Refused("the call is over"))
    assert await answers(*asked) == ["the call is over"] * 2
    assert len(changes.made) == 1


async def test_what_begins_a_call_anew_is_divided_as_well(changes):
    changes.call = None
    asked = await changes.ask_together(
        {"api_key": "sk-better"}, {"model": "gpt-none"}
    )
    refusal = Refused("no such model")
    for answer in (refusal, "new session", refusal):
        await changes.begun()
        changes.end(answer)
    assert await answers(*asked) == ["new session", "no such model"]


async def test_who_cannot_wait_any_longer_is_refused_and_left_out(
    changes, monkeypatch
):
    first = changes.ask(prompt="a")
    await changes.begun()
    monkeypatch.setattr(update_queue, "_UPDATE_S", 0.01)
    late = changes.ask(language="de")
    with pytest.raises(Refused, match="another one took all the time"):
        await late
    assert not first.done()
    changes.end()
    await first
    assert language_of(changes.shown[-1].config) == ""


async def test_who_is_under_way_waits_for_the_answer_of_the_service(changes):
    """Refused by the clock it might yet be accepted."""
    asked = await changes.ask_together({"prompt": "a"}, {"language": "de"})
    await changes.begun()
    late = changes.queue._updates._asked[1]
    late.deadline = 0.0
    waits = asyncio.ensure_future(changes.queue._settle(late))
    for _ in range(20):
        await asyncio.sleep(0)
    assert late.accepted is None
    changes.end()
    await waits
    assert await answers(*asked) == ["next turn"] * 2


class SlowClient:
    """A client whose change ends when the call is in a hurry."""

    running = True

    def __init__(self) -> None:
        self.hurried = asyncio.Event()
        self.changing = False

    def __getattr__(self, name: str) -> Mock:
        return Mock()

    async def change(self, *_: object) -> SettingsChanged:
        self.changing = True
        await self.hurried.wait()
        return SettingsChanged(None, "next turn")

    def hurry(self) -> None:
        if self.changing:
            self.hurried.set()


async def test_who_comes_while_a_detector_is_loaded_hurries_the_change(
    monkeypatch,
):
    loading, loaded = asyncio.Event(), asyncio.Event()

    async def make_detector(_: OpenAIASRConfig) -> None:
        loading.set()
        await loaded.wait()

    monkeypatch.setattr(call_module, "make_detector", make_detector)
    old = {**FIRST["params"], "turn_detection": {"type": "none"}}
    new = {**old, "turn_detection": {"type": "local"}}
    client: Any = SlowClient()
    call = Call(Version.load({"params": old}).config, client, None)
    change = asyncio.ensure_future(
        call.change(Version.load({"params": new}).config)
    )
    await loading.wait()
    call.hurry()
    loaded.set()
    assert await asyncio.wait_for(change, 20) == "next turn"


@pytest.mark.parametrize("loads_s", [0.0, 4.0, 9.3, 30.0])
async def test_the_service_has_what_is_left_of_the_time(monkeypatch, loads_s):
    """Half a second at least, whatever else the change has to wait for."""
    clock = 0.0

    async def make_detector(_: OpenAIASRConfig) -> None:
        nonlocal clock
        clock += loads_s

    asked: list[float] = []

    class PromptClient(SlowClient):
        async def change(self, *given: Any) -> SettingsChanged:
            asked.append(given[1])
            return SettingsChanged(None, "next turn")

    monkeypatch.setattr(call_module, "make_detector", make_detector)
    monkeypatch.setattr(call_module, "now", lambda: clock)
    old = {**FIRST["params"], "turn_detection": {"type": "none"}}
    new = {**old, "turn_detection": {"type": "local"}}
    client: Any = PromptClient()
    call = Call(Version.load({"params": old}).config, client, None)
    await call.change(Version.load({"params": new}).config, 9.5)
    assert asked == [max(9.5 - loads_s, 0.5)]
