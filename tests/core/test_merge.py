"""`session.update` is a merge, and holds for the turns that follow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_core import (
    CLEAR,
    COMMIT,
    CREATED,
    SETTINGS,
    UPDATED,
    ScriptedCore,
)
from sim import RATE, SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    SettingsChanged,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
    merged,
    needs_new_session,
    session_update,
)

LOGPROBS = "item.input_audio_transcription.logprobs"
TURN = word_audio(1) + SILENCE * ms(400)

TEXTS = st.sampled_from(["", "A call.", "Other."])
SOME = st.builds(
    SessionSettings,
    model=st.just("gpt-live-transcribe"),
    languages=st.sampled_from([(), ("en",), ("de", "en")]),
    prompt=TEXTS,
    keywords=st.sampled_from([(), ("TEN",), ("TEN", "Agora")]),
    keyword_style=st.just("sentence"),
    delay=st.sampled_from(["", "low", "high"]),
    noise_reduction=st.sampled_from(
        [
            None,
            {"type": "near_field"},
            {"type": "far_field"},
            {"type": "near_field", "strength": 0.4},
        ]
    ),
    include=st.sampled_from([(), (LOGPROBS,)]),
    turn_detection=st.sampled_from(
        [
            None,
            {"type": "server_vad", "threshold": 0.4},
            {"type": "semantic_vad", "eagerness": "low"},
        ]
    ),
)


def told(session: Any, *updates: dict[str, Any]) -> dict[str, Any]:
    """What a server has that merges, in one shape for "nothing"."""
    for update in updates:
        session = merged(session, json.loads(json.dumps(update))["session"])
    return _without_nothing(session)


def _without_nothing(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {key: _without_nothing(inner) for key, inner in value.items()}
    if "type" in kept and kept.get("strength") == 1.0:
        # What the service begins with.
        del kept["strength"]
    return {k: v for k, v in kept.items() if v not in (None, "", [])}


@given(st.lists(SOME, min_size=2, max_size=5), st.sampled_from(["ga", "beta"]))
def test_after_updates_a_server_has_what_a_new_session_would_be_told(
    steps, dialect
):
    state = told({}, session_update(steps[0], dialect))
    before = steps[0]
    for settings in steps[1:]:
        if needs_new_session(before, settings):
            state = told({}, session_update(settings, dialect))
        else:
            update = session_update(settings, dialect, before)
            state = told(state, update)
        # The types of turn detection have no field in common.
        fresh = told({}, session_update(settings, dialect))
        for place in (state, fresh):
            detector = place.get("turn_detection") or place.get(
                "audio", {}
            ).get("input", {}).get("turn_detection", {})
            for name in list(detector):
                if name not in (settings.turn_detection or {}):
                    del detector[name]
        assert state == fresh
        before = settings


@pytest.mark.parametrize(
    "change",
    [
        {"languages": ()},
        {"delay": ""},
        {"include": ()},
        {"model": "gpt-transcribe"},
        {"extra": {"x": 1}},
    ],
)
def test_what_an_update_cannot_clear_needs_a_new_session(change):
    full = SessionSettings(
        model="gpt-live-transcribe",
        languages=("en",),
        delay="low",
        include=(LOGPROBS,),
        prompt="A call.",
        keywords=("TEN",),
        noise_reduction={"type": "near_field"},
    )
    assert needs_new_session(full, replace(full, **change))
    # The other way round it is an update.
    if "model" not in change and "extra" not in change:
        assert not needs_new_session(replace(full, **change), full)
    cleared = replace(full, prompt="", keywords=(), noise_reduction=None)
    assert not needs_new_session(full, cleared)
    old = SessionSettings(model="whisper-1", language="en")
    assert needs_new_session(old, replace(old, language=""))
    assert not needs_new_session(old, replace(old, language="de"))


# -- in a call ----------------------------------------------------------------


def finished_turn(settings: SessionSettings = SETTINGS) -> ScriptedCore:
    """A call in a pause: one turn is delivered."""
    core = ScriptedCore(settings)
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w0")
    assert core.of(Final)
    return core


def change(core: ScriptedCore, **fields: Any) -> None:
    core.sent.clear()
    settings = replace(core.core.settings, **fields)
    core.core.change(settings, core.now, by_session=False)
    core.look()


def test_silence_that_was_sent_is_no_beginning_of_the_next_turn():
    """Or the next turn would still be heard under the old settings."""
    core = finished_turn()
    core.hear(SILENCE * ms(3000))
    change(core, prompt="Other.")
    assert core.types == [CLEAR, "session.update"]
    core.hear(SILENCE * ms(200))
    assert core.types == [CLEAR, "session.update"]
    core.say(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is None
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1")
    last = core.of(Final)[-1].turn
    assert last.text == "w1"
    assert last.start_ms == len(TURN) * 1000 // RATE + 3200


def test_nor_is_it_while_earlier_turns_wait_for_their_text():
    core = finished_turn()
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    core.hear(SILENCE * ms(300))
    change(core, prompt="Other.")
    core.wait(5.1)
    assert core.types == [CLEAR, "session.update"]
    core.say(UPDATED)
    core.transcribed("completed", "b", transcript="w1")
    core.hear(TURN, commit=True)
    core.committed("c", "b")
    core.transcribed("completed", "c", transcript="w2")
    assert [f.turn.text for f in core.of(Final)] == ["w0", "w1", "w2"]


def test_early_text_of_discarded_silence_holds_up_nothing():
    core = finished_turn()
    core.hear(SILENCE * ms(300))
    core.transcribed("delta", "ghost", delta="hm")
    change(core, prompt="Other.")
    core.wait(5.1)
    assert core.types == [CLEAR, "session.update"]
    core.say(UPDATED)
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1")
    assert [f.turn.text for f in core.of(Final)] == ["w0", "w1"]


def test_a_turn_under_way_is_not_thrown_away():
    core = finished_turn()
    core.hear(TURN)
    change(core, prompt="Other.")
    core.wait(5.1)
    assert CLEAR not in core.types
    assert "session.update" in core.types
    core.say(UPDATED)
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1 w1")
    assert core.of(Final)[-1].turn.text == "w1 w1"


def test_what_an_update_discarded_does_not_make_a_commit_long_enough():
    core = finished_turn()
    core.hear(SILENCE * ms(60))
    change(core, prompt="Other.")
    core.say(UPDATED)
    core.hear(word_audio(1)[: ms(10)])
    core.core.finalize("f", core.now)
    core.look()
    assert COMMIT not in core.types
    core.hear(TURN, commit=True)
    assert COMMIT in core.types


def test_a_turn_tells_the_hints_that_it_was_heard_under():
    core = finished_turn(replace(SETTINGS, languages=("de",)))
    core.hear(TURN)
    change(core, languages=("en",))
    core.wait(5.1)
    core.say(UPDATED)
    for item, before, hints in ("b", "a", ("de",)), ("c", "b", ("en",)):
        core.hear(TURN, commit=True)
        core.committed(item, before)
        core.transcribed("completed", item, transcript="w1")
        assert core.of(Final)[-1].turn.hints == hints


def test_a_turn_that_is_sent_again_tells_the_hints_of_then():
    core = finished_turn(replace(SETTINGS, languages=("de",)))
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    error = {"code": "rate_limit_exceeded", "message": "try again in 8s"}
    core.transcribed("failed", "b", error=error)
    change(core, languages=("en",))
    core.wait(5.1)
    core.say(UPDATED)
    core.wait(5)
    core.committed("c", "b")
    core.transcribed("completed", "c", transcript="w1")
    assert core.of(Final)[-1].turn.hints == ("en",)


@pytest.mark.parametrize("field", ["languages", "delay", "include"])
def test_what_cannot_be_cleared_is_gone_with_a_new_session(field):
    full = replace(
        SETTINGS, languages=("de",), delay="low", include=(LOGPROBS,)
    )
    core = finished_turn(full)
    core.hear(SILENCE * ms(500))
    change(core, **{field: type(getattr(full, field))()})
    assert core.types == []
    core.connect()
    core.say(CREATED)
    session = core.sent[0]["session"]
    sent = {**session["audio"]["input"]["transcription"], **session}
    assert field not in sent
    core.say(UPDATED)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is None


def test_clearing_is_said_in_the_words_of_the_field():
    full = replace(
        SETTINGS,
        prompt="A call.",
        keywords=("TEN",),
        noise_reduction={"type": "near_field", "strength": 0.3},
    )
    core = finished_turn(full)
    change(
        core,
        prompt="",
        keywords=(),
        noise_reduction={"type": "near_field"},
    )
    told = core.sent[-1]["session"]["audio"]["input"]
    assert told["transcription"]["prompt"] == ""
    assert told["transcription"]["keywords"] == []
    assert told["noise_reduction"] == {"type": "near_field", "strength": 1.0}
    core.say(UPDATED)
    # Once is enough.
    change(core, languages=("en",))
    told = core.sent[-1]["session"]["audio"]["input"]
    assert "prompt" not in told["transcription"]
    assert "keywords" not in told["transcription"]
    assert told["noise_reduction"] == {"type": "near_field"}


def test_a_refused_update_clears_nothing():
    core = finished_turn(replace(SETTINGS, prompt="A call."))
    change(core, prompt="")
    asked = core.sent[-1]["event_id"]
    error = {"code": "invalid_value", "message": "no", "event_id": asked}
    core.say({"type": "error", "error": error})
    assert core.of(SettingsChanged)[0].refused is not None
    change(core, prompt="")
    told = core.sent[-1]["session"]["audio"]["input"]
    assert told["transcription"]["prompt"] == ""
