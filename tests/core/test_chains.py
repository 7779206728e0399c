"""What an item names as the one before it, and what a turn's text is."""

from __future__ import annotations

import pytest
from scripted_core import ScriptedCore
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    SessionReady,
)

TURN = word_audio(1) + SILENCE * ms(400)


def texts(core: ScriptedCore) -> list[str]:
    return [final.turn.text for final in core.of(Final)]


def sessions(core: ScriptedCore) -> int:
    return len(core.of(SessionReady))


def talking(turns: int) -> ScriptedCore:
    """A session that was sent so many turns, all committed."""
    core = ScriptedCore()
    core.session()
    for _ in range(turns):
        core.hear(TURN, commit=True)
    return core


@pytest.mark.parametrize(
    "names",
    [
        ["root", "a", "b"],
        ["root", "root", "root"],
        [None, None, None],
        ["root", None, "b"],
        ["x", "y", "z"],
        [None, "a", "b"],
        [None, "root", "root"],
        [None, "x", "y"],
        ["a", "b", "c"],
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_what_a_server_names_before_its_items_costs_one_replay_at_most(
    names, together
):
    linked = "a" in names[1:2] or "b" in names[2:]
    #: Several commits wait, and nothing tells whose answer is whose.
    unclear = together and not linked
    core = talking(3 if together else 0)
    for number, (item, name) in enumerate(zip("abc", names, strict=True)):
        if not together:
            core.hear(TURN, commit=True)
        core.committed(item, name)
        if not together:
            core.transcribed("completed", item, transcript=f"w{number}")
    if together:
        for number, item in enumerate("abc"):
            core.transcribed("completed", item, transcript=f"w{number}")
    if unclear:
        assert texts(core) == []
        core.session()
        for number, item in enumerate("def"):
            core.committed(item, names[number])
            core.transcribed("completed", item, transcript=f"w{number}")
    core.wait(5)
    assert texts(core) == ["w0", "w1", "w2"]
    assert sessions(core) == 1 + unclear


@pytest.mark.parametrize("name", ["root", "root of {}"])
@pytest.mark.parametrize("before", [None, "root", "root of 1"])
def test_nor_does_it_after_a_reconnect_with_turns_to_send_again(name, before):
    core = talking(1)
    core.committed("a", before)
    core.transcribed("completed", "a", transcript="w0")
    for _ in range(2):
        core.hear(TURN, commit=True)
    core.committed("b", "a")
    assert core.core.active is not None
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.session()
    for item, before in ("c", name.format(2)), ("d", "c"):
        core.committed(item, before)
    core.transcribed("completed", "c", transcript="w1")
    core.transcribed("completed", "d", transcript="w2")
    core.wait(5)
    assert texts(core) == ["w0", "w1", "w2"]
    assert sessions(core) == 2


def test_a_gap_in_a_chain_that_held_is_a_lost_event():
    core = talking(2)
    core.committed("z", None)
    core.committed("a", "z")
    core.transcribed("completed", "z", transcript="w-1")
    core.transcribed("completed", "a", transcript="w0")
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    # The notice of "b" was lost.
    core.committed("c", "b")
    core.wait(0.1)
    assert core.link.must_close
    core.session()
    assert core.core.watermark > 0
    for number, (item, before) in enumerate([("d", None), ("e", "d")]):
        core.committed(item, before)
        core.transcribed("completed", item, transcript=f"w{number + 1}")
    assert texts(core) == ["w-1", "w0", "w1", "w2"]


def test_what_looked_like_a_root_and_was_an_item():
    core = talking(2)
    # The notice of "a" was lost, and its text is late.
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1")
    assert texts(core) == []
    core.transcribed("completed", "a", transcript="w0")
    core.wait(0.1)
    core.session()
    for number, (item, before) in enumerate([("c", None), ("d", "c")]):
        core.committed(item, before)
        core.transcribed("completed", item, transcript=f"w{number}")
    assert texts(core) == ["w0", "w1"]


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("word", ["completed", "delta"])
def test_the_lost_notice_of_the_first_of_many(early, word):
    """Whenever the text of it comes, and while one goes on speaking."""
    core = talking(2)
    fields = {"delta": "w0", "transcript": "w0"}
    if early:
        core.transcribed(word, "a", **fields)
    core.committed("b", "a")
    core.hear(TURN, commit=True)
    core.committed("c", "b")
    core.transcribed("completed", "b", transcript="w1")
    assert texts(core) == []
    if not early:
        core.transcribed(word, "a", **fields)
    core.wait(0.1)
    core.session()
    for number, (item, before) in enumerate(
        [("d", None), ("e", "d"), ("f", "e")]
    ):
        core.committed(item, before)
        core.transcribed("completed", item, transcript=f"w{number}")
    assert texts(core) == ["w0", "w1", "w2"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "so far"),
        ({"transcript": None}, "so far"),
        ({"transcript": 7}, "so far"),
        ({"transcript": ""}, ""),
        ({"transcript": "So far."}, "So far."),
    ],
)
def test_without_a_transcript_the_deltas_are_the_text(fields, text):
    core = talking(1)
    core.committed("a", None)
    for piece in "so ", "far":
        core.transcribed("delta", "a", delta=piece)
    core.transcribed("completed", "a", **fields)
    assert texts(core) == [text]
