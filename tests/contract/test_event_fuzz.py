"""Whatever the server says: no exception, nothing grows without a bound."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_values import TEXTS, VALUES, quick
from ten_packages.extension.openai_asr_python.contract.confidence import (
    confidence,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    Interim,
    ServerProblem,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

_PREFIX = "conversation.item.input_audio_transcription."
_ITEM = {"item_id": "item_1", "previous_item_id": None}
VALID: list[dict[str, Any]] = [
    {"type": "session.created", "session": {"id": "s", "expires_at": 9e9}},
    {"type": "session.updated", "session": {}},
    {
        "type": "transcription_session.created",
        "session": {"input_audio_format": "pcm16"},
    },
    {"type": "transcription_session.updated", "session": {}},
    {
        "type": "input_audio_buffer.speech_started",
        "item_id": "item_1",
        "audio_start_ms": 200,
    },
    {
        "type": "input_audio_buffer.speech_stopped",
        "item_id": "item_1",
        "audio_end_ms": 900,
    },
    {"type": "input_audio_buffer.committed", **_ITEM},
    {"type": "input_audio_buffer.cleared"},
    {"type": "conversation.item.added", "item": {"id": "item_1"}},
    {"type": "conversation.item.created", "item": {"id": "item_1"}},
    {"type": "conversation.item.done", "item": {"id": "item_1"}},
    {
        "type": _PREFIX + "delta",
        "item_id": "item_1",
        "delta": "hello ",
        "logprobs": [{"token": "hello", "logprob": -0.1}],
    },
    {
        "type": _PREFIX + "completed",
        "item_id": "item_1",
        "transcript": "hello",
        "usage": {"type": "tokens", "total_tokens": 3},
        "languages": [{"code": "en"}],
        "logprobs": [{"token": "hello", "logprob": -0.1}],
    },
    {
        "type": _PREFIX + "failed",
        "item_id": "item_1",
        "error": {"type": "server_error", "code": None, "message": "no"},
    },
    {"type": _PREFIX + "segment", "item_id": "item_1"},
    {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": "x",
            "message": "m",
            "param": None,
            "event_id": None,
        },
    },
]
_LOUD = b"\x00\x20" * 24  # 1 ms


def find_speech(audio: bytes) -> tuple[int, int] | None:
    if not any(audio):
        return None
    return 0, len(audio) // 2


class Driven:
    """A call whose server says whatever the test wants."""

    def __init__(self, owner: str, ready: bool = True) -> None:
        detection = {"type": "server_vad"} if owner == "server" else None
        self.now = 100.0
        self.core = Transcription(
            SessionSettings(
                model="gpt-4o-transcribe", turn_detection=detection
            ),
            Limits(),
            protocol="auto",
            find_speech=find_speech,
            rng=random.Random(1),
        )
        self.link: Link | None = None
        self.core.start(self.now)
        self.connect(ready)

    def connect(self, ready: bool = True) -> None:
        for _ in range(50):
            if self.core.exchange.next_attempt(self.now):
                break
            self.now += 1.0
        else:
            return
        self.link = self.core.exchange.opened(self.now, 1.8e9)
        if ready:
            self.say(VALID[0])
            self.say(VALID[1])
            self.core.audio(_LOUD * 1200)
            self.drain()

    def say(self, event: Any) -> None:
        text = event if isinstance(event, (str, bytes)) else json.dumps(event)
        assert self.link is not None
        self.core.exchange.receive(self.link, text, self.now)

    def drain(self) -> int:
        count = 0
        while self.link is not None and count < 10_000:
            if self.core.exchange.next_message(self.link, self.now) is None:
                break
            count += 1
        return count

    def step(self, seconds: float = 0.5) -> None:
        """Let time pass, as the client does."""
        self.now += seconds
        self.core.exchange.tick(self.now)
        if self.link is not None and self.link.must_close:
            self.core.exchange.closed(self.link, 1000, "", self.now)
            self.link = None
        if self.link is None:
            self.connect()
        if self.link is not None and self.link.wants_ping:
            self.link.take_ping()
            self.core.exchange.pong(self.link, self.now)
        self.drain()

    def check_bounds(self) -> None:
        if self.link is None:
            return
        session = self.link.session
        assert len(session.turns) <= 300
        assert len(session.turns.commits) <= 300
        assert len(session.errors) <= 100
        assert len(session.outbox) <= 100
        for turn in session.turns:
            assert len(turn.text) <= 100_000
            assert len(turn.transcript or "") <= 100_000
            assert len(turn.logprobs) <= 20_000
            assert len(turn.item_id) <= 500
            assert len(turn.languages) <= 50


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid event with one to three fields replaced, added or removed."""
    event = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = event
        while True:
            names = [n for n, v in place.items() if isinstance(v, dict)]
            if not names or draw(st.booleans()):
                break
            place = place[draw(st.sampled_from(names))]
        keys = [key for key in place if key != "type" or place is not event]
        how = draw(st.sampled_from(["set", "drop", "add", "id"]))
        if how == "id":
            event["item_id"] = draw(
                st.sampled_from(["item_1", "item_2", "item_3", "", "x" * 600])
            )
        elif how == "add" or not keys:
            place[draw(TEXTS)] = copy.deepcopy(draw(VALUES))
        elif how == "drop":
            del place[draw(st.sampled_from(keys))]
        else:
            place[draw(st.sampled_from(keys))] = copy.deepcopy(draw(VALUES))
    return event


@pytest.mark.parametrize("owner", ["server", "client"])
@pytest.mark.parametrize("ready", [True, False])
@quick
@given(events=st.lists(mutated(), min_size=1, max_size=12))
def test_mutated_events_are_survived(owner, ready, events):
    call = Driven(owner, ready)
    for number, event in enumerate(events):
        if call.link is None:
            call.connect()
        if call.link is None:
            break
        call.say(event)
        if number % 3 == 2:
            call.core.finalize(number, call.now)
        call.step()
        call.check_bounds()
        json.dumps(
            [r.turn.text for r in call.core.results if isinstance(r, Final)],
            ensure_ascii=False,
        ).encode()
        for result in call.core.results:
            if isinstance(result, (Final, Interim)):
                assert "\x00" not in result.turn.text
                assert result.turn.start_ms >= 0
                assert result.turn.duration_ms > 0
                certainty = confidence(result.turn.logprobs)
                assert certainty is None or 0 <= certainty <= 1
        call.core.results.clear()


@pytest.mark.parametrize("owner", ["server", "client"])
@quick
@given(messages=st.lists(VALUES, max_size=6), raw=st.binary(max_size=40))
def test_any_json_and_any_bytes_are_survived(owner, messages, raw):
    call = Driven(owner)
    for message in messages:
        call.say(json.dumps(message))
        if isinstance(message, dict):
            call.say(json.dumps({**message, "type": "session.created"}))
    call.say(raw)
    call.step()
    call.check_bounds()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe\x00",
        b"\xc3\x28",
        b"{",
        b"[" * 200_000,
        b'{"type":' * 100_000,
        b'{"type":"error","error":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"type":"' + b"x" * 1_000_000 + b'"}',
        b'{"type":"error","error":{"message":"' + b"x" * 1_000_000 + b'"}}',
        b"9" * 100_000,
    ],
    ids=lambda message: repr(message[:12]),
)
def test_broken_messages_are_survived(message):
    call = Driven("server")
    call.say(message)
    call.step()
    call.check_bounds()
    # The session goes on.
    call.say(VALID[4])
    call.say(VALID[5])
    call.say(VALID[6])
    call.say(VALID[12])
    finals = [r for r in call.core.results if isinstance(r, Final)]
    assert [final.turn.text for final in finals] == ["hello"]


@pytest.mark.parametrize("owner", ["server", "client"])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (_PREFIX + "delta", {"delta": "word " * 20}),
        (_PREFIX + "delta", {"logprobs": [{"token": "x", "logprob": -1}] * 9}),
        ("input_audio_buffer.speech_started", {"audio_start_ms": 1}),
        ("input_audio_buffer.speech_stopped", {"audio_end_ms": 1}),
        ("input_audio_buffer.committed", {}),
        ("conversation.item.added", {}),
        (_PREFIX + "completed", {"transcript": "x"}),
        (_PREFIX + "failed", {"error": {}}),
        ("error", {"error": {"message": "again"}}),
        ("anything", {}),
    ],
)
@pytest.mark.parametrize("same_item", [True, False])
def test_a_server_that_never_ends_fills_no_memory(
    owner, name, fields, same_item
):
    call = Driven(owner)
    previous = ""
    sizes = []
    for number in range(4000):
        if call.link is None:
            break
        item = "item_1" if same_item else f"item_{number}"
        event = {"type": name, "item_id": item, **fields}
        if not same_item:
            event["previous_item_id"] = previous
        previous = item
        call.say(event)
        if number % 500 == 499:
            call.check_bounds()
            sizes.append(len(call.core.results))
            call.core.results.clear()
    # What is to be told is bounded as well, wherever it is no result proper.
    assert all(size <= 1100 for size in sizes)


def test_interims_that_nobody_takes_yet_do_not_pile_up():
    call = Driven("server")
    call.core.results.clear()
    call.say(VALID[4])
    for _ in range(500):
        call.say(VALID[11])
    interims = [r for r in call.core.results if isinstance(r, Interim)]
    assert len(interims) == 1
    assert interims[0].turn.text == ("hello " * 500).strip()


def test_a_flood_of_errors_is_a_bounded_number_of_reports():
    call = Driven("server")
    call.core.results.clear()
    for number in range(5000):
        call.say({"type": "error", "error": {"message": f"number {number}"}})
    call.step(1.0)
    problems = [r for r in call.core.results if isinstance(r, ServerProblem)]
    assert 1 <= len(problems) <= 100
    assert "number 0" in problems[0].fault.message
