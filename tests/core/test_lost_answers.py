"""Whose answer an item is: notices that are lost, commits that are swallowed,
and a detector that nobody asked for."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_core import COMMIT, SERVER, SETTINGS, ScriptedCore
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    ServerProblem,
    SessionReady,
    TurnFailed,
)

TURN = word_audio(1) + SILENCE * ms(970)
EMPTY = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "code": "input_audio_buffer_commit_empty",
    },
}


def speak(core: ScriptedCore) -> None:
    """A turn of a second."""
    core.live(TURN)
    core.core.commit()
    core.look()


def answer(core: ScriptedCore, item: str, before: Any, text: str) -> None:
    core.committed(item, before)
    core.transcribed("completed", item, transcript=text)


def begun(before: Any) -> ScriptedCore:
    """A call with two turns, of a server that names that before each item."""
    core = ScriptedCore()
    core.session()
    names = [None, "a"] if before == "true" else [before, before]
    for item, name, text in zip("ab", names, ("w0", "w1"), strict=True):
        speak(core)
        answer(core, item, name, text)
    assert core.finals == ["w0", "w1"]
    return core


def replayed(core: ScriptedCore, *texts: str) -> None:
    """The next session hears what is not delivered, and answers all."""
    assert core.link.must_close
    core.session()
    for number, text in enumerate(texts):
        answer(core, f"n{number}", f"n{number - 1}" if number else None, text)
        core.wait(0.1)


def starts(core: ScriptedCore) -> list[int]:
    return [final.turn.start_ms for final in core.of(Final)]


@pytest.mark.parametrize("before", [None, "root", "true"])
@pytest.mark.parametrize("word", ["completed", "failed"])
def test_the_last_word_of_an_unannounced_item_proves_a_lost_notice(
    before, word
):
    core = begun(before)
    speak(core)
    # The notice of "c" was lost.
    core.transcribed(word, "c", transcript="w2")
    replayed(core, "w2")
    assert core.finals == ["w0", "w1", "w2"]
    assert starts(core) == [0, 1000, 2000]


@pytest.mark.parametrize("before", [None, "root", "b"])
def test_no_later_item_is_taken_for_that_of_a_commit_without_an_answer(before):
    """Its notice was lost and its text is late, or it was swallowed."""
    core = begun(before if before != "b" else "true")
    speak(core)
    if before == "b":
        speak(core)
        assert core.types.count(COMMIT) == 4
        answer(core, "d", before, "w3")
    else:
        # Another commit waits for the answer to this one.
        speak(core)
        assert core.types.count(COMMIT) == 3
    assert core.finals == ["w0", "w1"]
    # It may be a slow service: twice as long as an answer may have taken.
    core.wait(3)
    replayed(core, "w2", "w3")
    assert core.finals[:3] == ["w0", "w1", "w2"]
    assert starts(core)[2] == 2000


@pytest.mark.parametrize("known", [False, True])
def test_notices_that_change_places_cost_one_replay(known):
    """From then on one commit waits for the answer to the one before."""
    core = begun("true") if known else ScriptedCore()
    last, texts = ("b", ["w0", "w1"]) if known else (None, [])
    if not known:
        core.session()
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    core.committed("d", "c")
    core.transcribed("completed", "d", transcript="x3")
    core.committed("c", last)
    core.transcribed("completed", "c", transcript="x2")
    assert core.finals == texts
    core.wait(1)
    assert core.link.must_close
    core.session()
    assert core.types.count(COMMIT) == 1
    answer(core, "e", None, "x2")
    core.wait(0.1)
    answer(core, "f", "e", "x3")
    assert core.finals == [*texts, "x2", "x3"]


@pytest.mark.parametrize("root", [None, "root"])
def test_so_do_those_of_items_that_name_none_before_them(root):
    """Nothing tells which was whose, so both are heard again, once."""
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    answer(core, "d", root, "x1")
    answer(core, "c", root, "x0")
    assert core.finals == []
    core.wait(1)
    assert core.link.must_close
    core.session()
    assert core.types.count(COMMIT) == 1
    answer(core, "e", root, "x0")
    answer(core, "f", root, "x1")
    speak(core)
    answer(core, "g", root, "x2")
    assert core.finals == ["x0", "x1", "x2"]
    assert starts(core) == [0, 1000, 2000]


def test_so_do_those_of_items_that_have_text_before_them():
    core = begun("true")
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    core.transcribed("delta", "c", delta="x2")
    core.committed("d", "c")
    core.wait(1)
    core.session()
    assert core.types.count(COMMIT) == 1
    answer(core, "e", None, "x2")
    core.wait(0.1)
    answer(core, "f", "e", "x3")
    assert core.finals == ["w0", "w1", "x2", "x3"]


def test_a_service_that_takes_seconds_for_each_commit_is_not_left():
    """Its chain is true, and it answers one after the other."""
    core = ScriptedCore()
    core.session()
    before, sent, answered = None, [], 0
    for step in range(1, 100):
        if step % 5 == 1 and len(sent) < 10:
            core.hear(TURN, commit=True)
            sent.append(core.now)
        core.wait(0.3)
        while answered < len(sent) and core.now >= sent[answered] + 3:
            item = f"i{answered}"
            answer(core, item, before, f"w{answered}")
            before, answered = item, answered + 1
    core.wait(1)
    assert core.finals == [f"w{n}" for n in range(10)]
    assert core.troubles == []
    assert len(core.of(SessionReady)) == 1


def test_several_commits_that_are_answered_cost_nothing():
    core = begun("true")
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    core.committed("c", "b")
    core.wait(0.2)
    core.committed("d", "c")
    for item, text in ("c", "w2"), ("d", "w3"):
        core.transcribed("completed", item, transcript=text)
    core.wait(5)
    assert core.finals == ["w0", "w1", "w2", "w3"]
    assert len(core.of(SessionReady)) == 1
    assert core.troubles == []


def test_turns_of_a_detector_that_nobody_asked_for_keep_their_places():
    """Its events come after commits of ours for both."""
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    assert core.types.count(COMMIT) == 2
    for number, item in enumerate("ab"):
        core.turn(item, 1000 * number, 1000 * number + 700)
        core.say(EMPTY)
    core.transcribed("completed", "a", transcript="w0")
    # And no further than what was committed for it.
    assert ms(700) <= core.core.watermark <= ms(1000)
    core.transcribed("completed", "b", transcript="w1")
    core.wait(5)
    assert core.finals == ["w0", "w1"]
    assert starts(core) == [0, 1000]
    assert core.troubles == []


def test_text_under_a_strange_name_takes_no_audio_of_an_announced_turn():
    core = ScriptedCore()
    core.session()
    core.hear(TURN)
    core.started("a", 0)
    core.transcribed("delta", "strange", delta="hm ")
    core.hear(b"", commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w0")
    core.wait(5)
    assert core.finals == ["w0"]
    assert core.core.watermark == ms(1000)


def test_a_turn_whose_end_is_lost_ends_with_the_commit_behind_it():
    """The server ended it; what our commit got is an item of the silence."""
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(500) + TURN)
    core.started("a", 200)
    # Its end and its notice were lost.
    core.hear(SILENCE * ms(300), commit=True)
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="")
    core.transcribed("completed", "a", transcript="w0")
    core.wait(5)
    assert core.finals == ["w0", ""]
    turn = core.of(Final)[0].turn
    assert (turn.start_ms, turn.duration_ms) == (500, 30)
    assert core.core.watermark == ms(1800)


def test_an_end_before_the_begin_is_none():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(SILENCE * ms(500) + TURN)
    core.turn("a", 200, 100)
    core.transcribed("completed", "a", transcript="w0")
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.wait(1)
    core.session()
    assert core.finals == ["w0"]
    assert core.audio == b""


def test_what_that_detector_lost_is_no_silence():
    """It says that it has nothing to commit, and has no turn of it."""
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    core.say(EMPTY)
    core.turn("b", 1000, 1700)
    core.say(EMPTY)
    core.transcribed("completed", "b", transcript="w1")
    assert core.finals == []
    assert core.core.watermark == 0


def test_an_item_may_follow_what_was_no_commit_it_is_said():
    """As behind a gateway whose own notice comes behind the error."""
    core = ScriptedCore()
    core.session()
    before = None
    for number, item in enumerate("abc"):
        core.hear(TURN, commit=True)
        core.say(EMPTY)
        # By now it is known that it does so, and may take its time.
        core.wait(2.0 * number)
        answer(core, item, before, f"w{number}")
        before = item
    core.wait(1)
    assert core.finals == ["w0", "w1", "w2"]
    assert starts(core) == [0, 1000, 2000]
    assert core.types.count(COMMIT) == 3
    assert core.of(ServerProblem) == []


def test_no_commit_goes_out_while_one_may_yet_be_an_item():
    core = ScriptedCore()
    core.answers_pings = False
    core.session()
    core.hear(TURN, commit=True)
    core.say(EMPTY)
    core.hear(TURN, commit=True)
    assert core.types.count(COMMIT) == 1
    answer(core, "a", None, "w0")
    core.wait(0.1)
    assert core.types.count(COMMIT) == 2
    core.say(EMPTY)
    answer(core, "b", "a", "w1")
    assert core.finals == ["w0", "w1"]
    assert starts(core) == [0, 1000]


@pytest.mark.parametrize("settings", [SETTINGS, SERVER])
@pytest.mark.parametrize("kind", ["speech", "text"])
def test_a_turn_without_an_end_that_no_commit_ends_is_not_waited_for(
    settings, kind
):
    """There is nothing to commit, the server says each time."""
    core = ScriptedCore(settings)

    def connect() -> None:
        core.session()
        if kind == "speech":
            core.started("v", 0)
        else:
            core.transcribed("delta", "v", delta="w")

    connect()
    core.live(TURN)
    core.core.finalize(object(), core.now)
    core.look()
    denied = 0
    for _ in range(600):
        core.wait(0.1)
        if core.of(TurnFailed):
            break
        due = core.core.sessions.due_at()
        if due is not None and due <= core.now:
            denied = 0
            connect()
        commits = core.types.count(COMMIT)
        core.say(*[EMPTY] * (commits - denied))
        denied = commits
    [failed] = core.of(TurnFailed)
    assert failed.fault.code in ("no_result", "input_audio_buffer_commit_empty")
    assert core.core.watermark >= ms(700)


@pytest.mark.parametrize("item", [None, "x", {"a": 1}, {"id": "\n"}])
def test_a_notice_of_no_item_is_none(item):
    core = ScriptedCore()
    core.session()
    before = None
    for number, item_id in enumerate("abc"):
        core.hear(TURN, commit=True)
        kind = "conversation.item.added"
        core.say({"type": kind, "item": item, "previous_item_id": None})
        answer(core, item_id, before, f"w{number}")
        before = item_id
    assert core.finals == ["w0", "w1", "w2"]
    assert not core.link.must_close


def test_the_notice_of_an_item_may_be_ahead_of_the_end_of_its_speech():
    core = ScriptedCore(SERVER)
    core.session()
    core.hear(TURN + TURN)
    core.started("a", 0)
    core.committed("a", None)
    core.stopped("a", 700)
    core.transcribed("completed", "a", transcript="w0")
    assert core.core.watermark == ms(700)
    core.turn("b", 700, 1700, "a")
    core.transcribed("completed", "b", transcript="w1")
    assert core.finals == ["w0", "w1"]
    assert starts(core) == [0, 1000]
    assert core.troubles == []
