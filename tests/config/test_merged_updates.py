"""Commands that are put in force together: what becomes of each, and of all.

The service is a rule here: which configurations it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.config import (
    ConfigError,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.properties import updates
from ten_packages.extension.openai_asr_python.properties.loading import (
    updated_properties,
)
from ten_packages.extension.openai_asr_python.properties.updates import (
    Command,
    ConfigUpdates,
    Version,
)

FIRST = {"params": {"api_key": "sk-test-0123456789", "model": "whisper-1"}}
NEVER = math.inf
Payload = dict[str, Any]

PROMPTS = [{"prompt": f"call {number}"} for number in range(11)]
BAD_KEY = {"api_key": "sk-wrong"}
#: The rule refuses these, whatever else is asked for.
OFFENDING = [BAD_KEY, {"model": "gpt-none"}, {"prompt": "x", **BAD_KEY}]
LOCAL = [{"log_level": "DEBUG"}, {"log_level": "WARN"}, {}]
#: Wrong by itself.
INVALID = [
    {"turn_detection": {"threshold": 7}},
    {"languge": "de"},
    {"sample_rate": 8000},
]
HARMLESS = [
    {"prompt": "a"},
    {"prompt": ""},
    {"language": "de"},
    {"language": "fr", "log_level": "ERROR"},
    {"input_audio_noise_reduction": {"type": "far_field"}},
    {"turn_detection": {"silence_duration_ms": 900}},
    {"api_key": "sk-other"},
]
#: Valid or not, as others decide: this model has no turns of its own.
DEPENDENT = [
    {"model": "gpt-live-transcribe"},
    {"turn_detection": {"type": "server_vad"}},
    {"turn_detection": {"type": "none"}},
]


def fixed(config: OpenAIASRConfig) -> None:
    if config.sample_rate != 16000:
        raise ConfigError("sample_rate", "cannot be changed during a call")


def refused(config: OpenAIASRConfig) -> str:
    """Why the service would not work by it, or ""."""
    if config.api_key.get_secret_value() == "sk-wrong":
        return "Incorrect API key"
    if config.input_audio_transcription.model == "gpt-none":
        return "no such model"
    return ""


def one_after_the_other(payloads: Iterable[Payload]) -> OpenAIASRConfig:
    version = Version.load(FIRST)
    for payload in payloads:
        version = Version.load(updated_properties(version.properties, payload))
        fixed(version.config)
    return version.config


class Calls:
    """`ConfigUpdates`, and a service that obeys a rule.

    ``asked`` counts how often it is asked for something.
    """

    def __init__(
        self, rule: Callable[[OpenAIASRConfig], str] = refused
    ) -> None:
        self.updates = ConfigUpdates(fixed)
        self.updates.start(FIRST)
        self.rule = rule
        self.asked = 0
        #: In the order in which they came; None where refused as it came.
        self.commands: list[tuple[Payload, Command | None]] = []
        self.under_way: OpenAIASRConfig | None = None
        self.withdrawn: list[Command | None] = []

    @property
    def in_force(self) -> OpenAIASRConfig:
        return Version.load(self.updates.properties).config

    def come(self, payload: Payload, deadline: float = NEVER) -> Command | None:
        command = None
        try:
            version = self.updates.overtake(payload, self.in_force)
            if version is None:
                command = self.updates.add(payload, deadline)
            else:
                command = Command(payload, accepted=True)
        except ConfigError:
            pass
        self.commands.append((payload, command))
        return command

    def begin(self, now: float = 0.0) -> None:
        if self.under_way is None:
            request = self.updates.begin(now)
            if request is not None:
                self.asked += 1
                self.under_way = request.config
                asked = [
                    payload
                    for payload, command in self.commands
                    if command is not None
                    and (command.accepted or command in self.updates._asked)
                ]
                assert request.config == one_after_the_other(asked)

    def end(self, *, known: bool = True) -> None:
        config, self.under_way = self.under_way, None
        if config is None:
            return
        problem = self.rule(config)
        if not known:
            self.updates.put_back()
        elif problem:
            self.updates.refuse(problem)
        else:
            self.updates.accept("new session")

    def withdraw(self, number: int) -> None:
        waiting = self.updates.waiting
        if waiting:
            command = waiting[number % len(waiting)]
            assert self.updates.withdraw(command)
            self.withdrawn.append(command)

    def drain(self) -> None:
        self.end()
        while self.updates.waiting:
            self.begin()
            self.end()


STEPS = st.one_of(
    st.tuples(
        st.just("come"),
        st.sampled_from(LOCAL + INVALID + HARMLESS + DEPENDENT + OFFENDING),
    ),
    st.tuples(st.just("come"), st.sampled_from(HARMLESS)),
    st.tuples(st.sampled_from(["begin", "begin", "end", "end", "lost"])),
    st.tuples(st.just("withdraw"), st.integers(0, 5)),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=30))
def test_in_the_end_the_accepted_ones_are_in_force_in_their_order(steps):
    calls = Calls()
    for name, *argument in steps:
        if name == "lost":
            calls.end(known=False)
        else:
            getattr(calls, name)(*argument)
        assert not refused(calls.in_force)
    calls.drain()
    accepted = [
        p for p, command in calls.commands if command and command.accepted
    ]
    assert calls.in_force == one_after_the_other(accepted)
    for payload, command in calls.commands:
        assert command is None or command.accepted is not None
        if payload in INVALID:
            # Refused as it came.
            assert command is None
        elif payload in LOCAL:
            assert command is not None
            assert command.accepted
        elif payload in HARMLESS and command not in calls.withdrawn:
            # Whatever it was merged with.
            assert command is not None
            assert command.accepted, command
        if command is not None and not command.accepted:
            assert command.answer


def test_all_that_wait_are_one_change():
    calls = Calls()
    calls.come({"language": "de"})
    calls.begin()
    for payload in PROMPTS:
        calls.come(payload)
    calls.drain()
    assert calls.asked == 2
    assert calls.in_force.input_audio_transcription.prompt == "call 10"
    assert {c.answer for _, c in calls.commands if c} == {"new session"}


@pytest.mark.parametrize("place", range(12))
def test_one_that_is_refused_takes_no_other_with_it(place):
    """And is found in few steps: a session may take seconds."""
    calls = Calls()
    payloads = [*PROMPTS[:place], BAD_KEY, *PROMPTS[place:]]
    for payload in payloads:
        calls.come(payload)
    calls.drain()
    assert calls.asked <= 7
    for payload, command in calls.commands:
        assert command is not None
        assert command.accepted == (payload is not BAD_KEY)
    assert calls.commands[place][1].answer == "Incorrect API key"


def test_what_is_refused_for_no_fault_of_theirs_is_not_asked_for_endlessly():
    """Another reason than the commands: no session is opened at all."""
    calls = Calls(lambda _: "quota")
    for payload in [*PROMPTS, {"language": "de"}]:
        calls.come(payload)
    calls.drain()
    assert {c.answer for _, c in calls.commands if c} == {"quota"}
    assert calls.asked <= 12 + 4


def test_what_a_later_one_takes_back_is_no_matter_any_more():
    calls = Calls()
    calls.come(BAD_KEY)
    calls.come({"api_key": "sk-better"})
    calls.drain()
    assert calls.asked == 1
    assert all(command.accepted for _, command in calls.commands)


def test_whether_it_is_valid_may_depend_on_one_that_waits():
    model, turns = DEPENDENT[:2]
    for bad, accepted in [({}, [True, False]), (BAD_KEY, [False, True])]:
        calls = Calls()
        calls.come({**model, **bad})
        calls.begin()
        command = calls.come(turns)
        assert command is not None
        calls.drain()
        assert [c.accepted for _, c in calls.commands] == accepted
        if not command.accepted:
            assert "has no turn detection of its own" in command.answer


def test_a_wrong_one_is_refused_at_once_behind_others_that_wait():
    calls = Calls()
    calls.come({"prompt": "a"})
    calls.begin()
    # Valid or not, as the first one decides; not in the way of others.
    calls.come({"model": "gpt-live-transcribe"})
    calls.come({"turn_detection": {"type": "server_vad"}})
    for payload in INVALID:
        with pytest.raises(ConfigError):
            calls.updates.add(payload, NEVER)


def test_nobody_is_asked_for_after_its_time():
    calls = Calls()
    late = calls.come({"prompt": "a"}, deadline=5.0)
    calls.come({"language": "de"}, deadline=9.0)
    calls.begin(now=5.0)
    calls.drain()
    assert "another one took all the time" in late.answer
    assert calls.in_force == one_after_the_other([{"language": "de"}])


@pytest.mark.parametrize(
    ("deadlines", "within_s"),
    [
        # Alone: all there is.
        ([9.0], 9.0),
        # If it is refused there must be time for its parts,
        ([9.0, 10.0], 4.5),
        # but each must be able to open a session.
        ([4.0, 9.0], 3.0),
        ([2.0, 9.0], 2.0),
    ],
)
def test_a_merge_leaves_time_for_its_parts(deadlines, within_s):
    commands = ConfigUpdates()
    commands.start(FIRST)
    for deadline in deadlines:
        commands.add({"prompt": f"by {deadline}"}, deadline)
    request = commands.begin(0.0)
    assert request is not None
    assert request.within_s == within_s


def test_the_end_of_a_call_refuses_all_that_is_under_way():
    calls = Calls()
    for payload in PROMPTS:
        calls.come(payload)
    calls.begin()
    calls.updates.refuse("the call is over", divide=False)
    assert {c.answer for _, c in calls.commands if c} == {"the call is over"}
    assert calls.updates.waiting == []


def test_those_that_overtake_cost_no_more_however_many_there_are(monkeypatch):
    """While one waits, all that overtook it are merged again and again."""
    calls = Calls()
    calls.come({"prompt": "a", "stop_timeout_ms": 500})
    calls.begin()
    merge, merged = updates.updated_properties, []
    monkeypatch.setattr(
        updates,
        "updated_properties",
        lambda old, new: merged.append(new) or merge(old, new),
    )
    costs = []
    levels = ["", "WARN"]
    for number in range(30):
        merged.clear()
        calls.come({"gap_timeout_ms": number, "log_level": levels[number % 2]})
        costs.append(len(merged))
    assert len(set(costs[1:])) == 1
    calls.drain()
    assert calls.in_force == one_after_the_other(p for p, _ in calls.commands)


def test_what_waits_is_looked_at_anew_one_at_a_time_and_once(monkeypatch):
    calls = Calls()
    calls.come(BAD_KEY)
    calls.begin()
    for payload in PROMPTS:
        calls.come(payload)
    calls.come(LOCAL[0])
    # Its key is taken back, which is before all that wait.
    calls.end()
    load, loaded = Version.load, []
    monkeypatch.setattr(
        Version, "load", lambda new: loaded.append(new) or load(new)
    )
    for number, _ in enumerate(calls.updates.review(), 1):
        assert len(loaded) == number
    assert len(loaded) == len(PROMPTS)
    loaded.clear()
    # One that overtakes is no matter of theirs.
    calls.come(LOCAL[1])
    loaded.clear()
    calls.updates.begin(0.0)
    # But for all of them together.
    assert len(loaded) == 1


def test_one_that_others_make_wrong_is_looked_at_in_its_turn(monkeypatch):
    calls = Calls()
    for payload in (DEPENDENT[0], DEPENDENT[1], DEPENDENT[1]):
        calls.come(payload)
    load, loaded = Version.load, []
    monkeypatch.setattr(
        Version, "load", lambda new: loaded.append(new) or load(new)
    )
    assert [len(loaded) for _ in calls.updates.review()] == [1, 2]
