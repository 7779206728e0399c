"""Early finals: the text so far, when the time is up; what comes later."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from scripted_core import (
    APPEND,
    CLEAR,
    COMMIT,
    SERVER,
    SETTINGS,
    ScriptedCore,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    LateFinal,
    TurnFailed,
)

LIVE = replace(SETTINGS, model="gpt-live-transcribe", live=True)
WORDS = word_audio(1) * 10
PAUSE = SILENCE * ms(800)
#: A finalize waits so long, in seconds.
BOUND = 5.0


def late_finals(core: ScriptedCore) -> tuple[int, int]:
    """Early finals that differed from the last word, in how many words."""
    queue = core.core.queue
    return queue.late_finals, queue.late_final_words


def begun(settings: Any = SETTINGS, **limits: int) -> ScriptedCore:
    core = ScriptedCore(settings, **limits)
    core.session()
    return core


def detected(core: ScriptedCore, item: str, start: int, stop: int) -> None:
    """The server's detector hears a turn, from one ms to another."""
    kind = "input_audio_buffer.speech_"
    core.say(
        {"type": kind + "started", "item_id": item, "audio_start_ms": start},
        {"type": kind + "stopped", "item_id": item, "audio_end_ms": stop},
    )


def told(core: ScriptedCore) -> list[Any]:
    """Texts of finals, those that were early with a `+`, and the tokens of
    finalizes, with a `?` where the time was up."""
    found = []
    for result in core.results:
        if isinstance(result, Final):
            found.append(result.turn.text + "+" * result.turn.early)
        elif isinstance(result, FinalizeEnd):
            found.append(str(result.token) + "?" * result.timed_out)
    return found


def appended(core: ScriptedCore) -> bytes:
    """The audio on the connection there is."""
    return b"".join(
        base64.b64decode(event["audio"])
        for event in core.sent
        if event["type"] == APPEND
    )


def two_turns(**limits: int) -> ScriptedCore:
    """Two turns of the client's, 300 ms each, whose text is awaited."""
    core = begun(**limits)
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.hear(WORDS)
    core.core.finalize("f", core.now)
    core.look()
    core.committed("b", "a")
    return core


# -- a finalize whose time is up -------------------------------------------


def test_its_turns_end_with_their_text_so_far_and_then_it_ends():
    core = two_turns()
    core.transcribed("delta", "a", delta="one two ")
    core.transcribed("delta", "b", delta=" three")
    core.wait(BOUND - 0.001)
    assert told(core) == []
    core.wait(0.001)
    assert told(core) == ["one two+", "three+", "f"]
    finals = [final.turn for final in core.of(Final)]
    assert [(t.start_ms, t.duration_ms) for t in finals] == [
        (0, 300),
        (300, 300),
    ]
    assert core.core.watermark == ms(600)
    assert not core.core.progress.undelivered


@pytest.mark.parametrize("silent_s", [0.0, 3.9, 4.1])
def test_a_peer_that_is_gone_has_said_no_text_so_far(silent_s: float):
    """Nobody would ever hear the rest: another session does."""
    core = two_turns()
    core.transcribed("delta", "a", delta="one ")
    core.transcribed("delta", "b", delta="three")
    core.wait(silent_s)
    core.answers_pings = False
    core.wait(BOUND - silent_s)
    if silent_s > BOUND - 1:
        # It lived when it was asked, a second before.
        assert told(core) == ["one+", "three+", "f"]
        return
    assert told(core) == ["f?"]
    core.wait(12)
    assert "no_answer" in core.troubles
    core.answers_pings = True
    core.session()
    assert appended(core) == WORDS * 2
    core.committed("c", None)
    core.transcribed("completed", "c", transcript="one two")
    core.committed("d", "c")
    core.transcribed("completed", "d", transcript="three four")
    assert told(core) == ["f?", "one two", "three four"]


def test_a_turn_that_was_sent_just_now_has_not_much_text_yet():
    """An outage was over shortly before the time of the finalize."""
    core = two_turns()
    core.wait(BOUND - 0.6)
    core.core.exchange.closed(core.link, 1011, "", core.now)
    core.wait(0.4)
    core.session()
    core.committed("c", None)
    core.committed("d", "c")
    core.transcribed("delta", "c", delta="one")
    core.wait(0.3)
    assert told(core) == ["f?"]
    core.transcribed("completed", "c", transcript="one two")
    assert told(core) == ["f?", "one two"]


@pytest.mark.parametrize("late_s", [0.2, 2.0])
def test_a_peer_that_answers_late_is_not_gone(late_s: float):
    core = begun(final_timeout_ms=1000)
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    core.answers_pings = False
    core.wait(1 + late_s)
    assert told(core) == []
    core.answers_pings = True
    core.core.exchange.pong(core.link, core.now)
    core.look()
    assert told(core) == ["one+"]


def test_a_turn_of_the_server_ends_as_well():
    core = begun(SERVER)
    core.hear(WORDS + PAUSE)
    core.say({"type": "input_audio_buffer.speech_started", "item_id": "a"})
    core.core.finalize("f", core.now)
    core.look()
    assert core.types[-1] == COMMIT
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    core.wait(BOUND)
    core.transcribed("completed", "a", transcript="one")
    assert told(core) == ["one+", "f"]


def test_a_turn_without_text_holds_up_those_after_it_and_is_not_ended():
    core = two_turns()
    core.transcribed("delta", "a", delta=" \n")
    core.transcribed("delta", "b", delta="three")
    core.wait(BOUND)
    assert told(core) == ["f?"]
    assert core.core.watermark == 0
    core.transcribed("delta", "a", delta="one")
    assert told(core) == ["f?"]
    core.transcribed("completed", "a", transcript="one two")
    core.transcribed("completed", "b", transcript="three four")
    assert told(core) == ["f?", "one two", "three four"]


def test_a_turn_before_one_without_text_ends_and_the_finalize_says_so():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.wait(BOUND)
    assert told(core) == ["one+", "f?"]
    core.transcribed("completed", "b", transcript="three")
    assert told(core) == ["one+", "f?", "three"]


def test_what_is_done_behind_an_early_final_leaves_before_the_end_signal():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.transcribed("completed", "b", transcript="three")
    core.wait(BOUND)
    assert told(core) == ["one+", "three", "f"]


def test_what_was_said_after_a_finalize_is_not_ended_by_it():
    core = two_turns()
    core.hear(WORDS, commit=True)
    core.committed("c", "b")
    for item, text in (("a", "one"), ("b", "two"), ("c", "three")):
        core.transcribed("delta", item, delta=text)
    core.wait(BOUND)
    assert told(core) == ["one+", "two+", "f"]
    core.transcribed("completed", "c", transcript="three four")
    assert told(core) == ["one+", "two+", "f", "three four"]


def test_not_even_where_the_finalize_has_more_to_wait_for():
    """Its commit crossed the server's own, and has no answer."""
    core = begun(SERVER)
    core.hear(WORDS + PAUSE)
    core.say({"type": "input_audio_buffer.speech_started", "item_id": "a"})
    core.core.finalize("f", core.now)
    core.look()
    core.hear(WORDS + PAUSE)
    detected(core, "a", 0, 800)
    core.committed("a", None)
    detected(core, "b", 1100, 1900)
    core.committed("b", "a")
    core.transcribed("delta", "a", delta="one")
    core.transcribed("delta", "b", delta="two")
    core.wait(BOUND)
    assert told(core) == ["one+", "f?"]


def test_what_a_commit_cut_off_behind_a_turn_is_not_said_early():
    """It is silence, to which a model invents text."""
    core = begun(SERVER)
    core.hear(WORDS + PAUSE)
    core.say({"type": "input_audio_buffer.speech_started", "item_id": "a"})
    core.core.finalize("f", core.now)
    core.look()
    detected(core, "a", 0, 800)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.committed("tail", "a")
    core.transcribed("delta", "tail", delta="thanks")
    core.wait(BOUND)
    core.transcribed("completed", "tail", transcript="thanks for watching")
    assert told(core) == ["one", "f"]
    assert late_finals(core) == (0, 0)


def test_each_of_many_finalizes_ends_what_was_said_before_it():
    core = begun()
    for index in range(4):
        core.hear(WORDS)
        core.core.finalize(f"f{index}", core.now)
        core.look()
        core.committed(f"i{index}", f"i{index - 1}" if index else None)
        core.transcribed("delta", f"i{index}", delta=f"t{index}")
        core.wait(1)
    core.wait(BOUND)
    assert told(core) == [
        text for n in range(4) for text in (f"t{n}+", f"f{n}")
    ]


@pytest.mark.parametrize("settings", [SETTINGS, SERVER])
def test_a_turn_whose_commit_is_not_out_goes_on(settings):
    """The peer does not answer, so audio waits; the turn has no end yet."""
    core = begun(settings, window_ms=1000, pong_timeout_ms=60_000)
    core.answers_pings = False
    core.say({"type": "input_audio_buffer.speech_started", "item_id": "a"})
    core.hear(word_audio(1) * 100)
    core.transcribed("delta", "a", delta="one")
    core.core.finalize("f", core.now)
    core.look()
    core.wait(BOUND)
    assert COMMIT not in core.types
    assert told(core) == ["f?"]
    core.answers_pings = True
    core.look()
    assert core.types[-1] == COMMIT
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one and the rest")
    assert told(core) == ["f?", "one and the rest"]
    assert core.core.watermark == ms(3000)


# -- so long after its commit ------------------------------------------------


@pytest.mark.parametrize("settings", [SETTINGS, SERVER])
def test_a_turn_ends_so_long_after_its_commit(settings):
    core = begun(settings, final_timeout_ms=2000)
    core.hear(WORDS + PAUSE, commit=True)
    if settings is SERVER:
        detected(core, "a", 0, 800)
    core.wait(0.5)
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    core.wait(1.499)
    assert told(core) == []
    core.wait(0.001)
    assert told(core) == ["one+"]


def test_it_does_not_by_default():
    core = begun()
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    core.wait(14.9)
    assert told(core) == []


def test_text_that_is_not_there_by_then_ends_nothing():
    core = begun(final_timeout_ms=2000)
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.wait(2.001)
    core.transcribed("delta", "a", delta="one")
    core.wait(10)
    assert told(core) == []
    core.transcribed("completed", "a", transcript="one two")
    assert told(core) == ["one two"]


def test_who_waited_for_the_turn_before_leaves_right_behind_it():
    core = begun(final_timeout_ms=2000)
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.hear(WORDS, commit=True)
    core.committed("b", "a")
    core.transcribed("delta", "b", delta="three")
    core.wait(3)
    assert told(core) == []
    core.transcribed("completed", "a", transcript="one")
    assert told(core) == ["one", "three+"]


# -- what comes later --------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "later", "changed"),
    [
        ("one two", "one two", None),
        ("one two", " one  two\n", None),
        ("one", "one two three", 2),
        ("one two three", "two three", 1),
        ("one to three", "one two three", 1),
        ("one two", "", 2),
        ("no no", "no", 1),
        ("one two", "two one", 0),
    ],
)
def test_it_is_not_said_again_but_compared(said, later, changed):
    core = two_turns()
    core.transcribed("delta", "a", delta=said)
    core.wait(BOUND)
    before = len(core.results)
    core.transcribed("completed", "a", transcript=later, usage={"seconds": 1})
    [late] = core.results[before:]
    assert late == LateFinal("a", changed, {"seconds": 1})
    words = changed or 0
    assert late_finals(core) == (int(changed is not None), words)


def test_it_is_counted_once():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.transcribed("delta", "b", delta="three")
    core.wait(BOUND)
    said = told(core)
    core.transcribed("delta", "a", delta=" two")
    core.committed("a", None)
    for _ in range(3):
        core.transcribed("completed", "a", transcript="one two")
        core.transcribed("failed", "a", error={"message": "no"})
        core.transcribed("delta", "a", delta="more")
    core.transcribed("failed", "b", error={"message": "no"})
    core.transcribed("completed", "b", transcript="three four")
    assert told(core) == said
    assert late_finals(core) == (1, 1)
    assert not core.of(TurnFailed)
    assert not core.link.must_close


def test_what_only_a_result_needs_is_not_kept():
    core = two_turns()
    token = {"token": "one", "logprob": -0.5}
    core.transcribed("delta", "a", delta="one", logprobs=[token])
    core.wait(BOUND)
    core.transcribed("delta", "a", delta=" two", logprobs=[token])
    [final] = core.of(Final)
    assert final.turn.logprobs == [token["logprob"]]
    turn = core.link.session.turns.finished["a"]
    assert turn is not None
    assert turn.logprobs == []


def test_the_pieces_are_the_text_where_there_is_no_other():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.wait(BOUND)
    core.transcribed("delta", "a", delta=" two")
    core.transcribed("completed", "a")
    assert late_finals(core) == (1, 1)


def test_its_item_is_known_as_the_one_before_the_next():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.transcribed("delta", "b", delta="two")
    core.wait(BOUND)
    core.hear(WORDS, commit=True)
    core.committed("c", "b")
    core.transcribed("completed", "c", transcript="three")
    assert told(core) == ["one+", "two+", "f", "three"]
    assert not core.link.must_close


def test_a_lost_notice_behind_it_is_still_noticed():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.transcribed("delta", "b", delta="two")
    core.hear(WORDS * 2)
    core.committed("d", "c")
    assert not core.link.must_close
    core.wait(BOUND)
    assert told(core) == ["one+", "two+", "f"]
    assert core.link.must_close
    core.wait(1)
    core.session()
    assert appended(core) == WORDS * 2


def test_what_was_said_early_is_not_sent_again():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.hear(WORDS * 2)
    core.wait(BOUND)
    core.core.exchange.closed(core.link, 1006, "gone", core.now)
    core.wait(5)
    core.session()
    # The second turn, without a word so far, and what came since.
    assert appended(core) == WORDS * 3
    core.committed("b2", None)
    core.transcribed("completed", "b2", transcript="three")
    assert told(core) == ["one+", "f?", "three"]


def test_a_stop_reports_only_what_nothing_was_said_of():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.wait(BOUND)
    core.core.stop(core.now)
    core.look()
    core.transcribed("completed", "a", transcript="one two")
    core.transcribed("completed", "b", transcript="three")
    [dropped] = core.of(AudioDropped)
    assert (dropped.start_ms, dropped.duration_ms) == (300, 300)
    assert told(core) == ["one+", "f?"]


def test_at_the_stop_itself_nothing_is_ended_early():
    core = two_turns()
    core.transcribed("delta", "a", delta="one")
    core.core.stop(core.now + 2 * BOUND)
    core.look()
    assert told(core) == ["f"]
    [dropped] = core.of(AudioDropped)
    assert (dropped.start_ms, dropped.duration_ms) == (0, 600)


# -- before the notice of the item ------------------------------------------


@pytest.mark.parametrize("heard_s", [1.5, 4.5])
def test_over_http_only_text_shows_that_the_service_lives(heard_s):
    """PINGs are answered by ourselves there."""
    core = begun(replace(SETTINGS, as_files=True))
    core.hear(WORDS)
    core.core.finalize("f", core.now)
    core.look()
    core.committed("a", None)
    core.wait(heard_s)
    core.transcribed("delta", "a", delta="one")
    core.wait(BOUND)
    core.transcribed("completed", "a", transcript="one two")
    lived = heard_s > BOUND - 1
    assert told(core) == (["one+", "f"] if lived else ["f?", "one two"])


@pytest.mark.parametrize("settings", [SETTINGS, LIVE])
@pytest.mark.parametrize("before", [True, False])
def test_text_without_a_notice_is_no_final(settings, before):
    """A commit that was swallowed ends no item: what is said after it would
    be in that text."""
    core = begun(settings)
    core.hear(WORDS)
    if before:
        core.transcribed("delta", "a", delta="one")
    core.core.finalize("f", core.now)
    core.look()
    core.transcribed("delta", "a", delta=" two")
    core.wait(BOUND)
    assert told(core) == ["f?"]
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one two")
    assert told(core) == ["f?", "one two"]


@pytest.mark.parametrize("told_by", ["a name", "no name", "nothing"])
def test_what_goes_on_behind_a_commit_is_said_once(told_by):
    """The service refuses it, or loses it, and keeps the audio."""
    core = begun(LIVE)
    core.hear(WORDS)
    core.transcribed("delta", "a", delta="one")
    core.core.finalize("f", core.now)
    core.look()
    if told_by != "nothing":
        error = {"type": "server_error", "message": "sorry"}
        if told_by == "a name":
            error["event_id"] = core.sent[-1]["event_id"]
        core.say({"type": "error", "error": error})
    core.hear(PAUSE + WORDS)
    core.transcribed("delta", "a", delta=" two")
    core.wait(BOUND)
    # Where another session is asked for, it looks no further than that.
    core.wait(1)
    assert told(core) == ["f?"]
    core.wait(15)
    core.session()
    core.hear(PAUSE, commit=True)
    first, second = core.audio[: len(WORDS)], core.audio[len(WORDS) :]
    assert first == WORDS
    assert second.strip(SILENCE[:1]) == WORDS.strip(SILENCE[:1])
    core.committed("b", None)
    core.committed("c", "b")
    core.transcribed("completed", "b", transcript="one")
    core.transcribed("completed", "c", transcript="two")
    assert told(core) == ["f?", "one", "two"]


def test_text_behind_a_commit_may_be_that_of_the_next_turn():
    """Where the notice of the first is late."""
    core = begun(LIVE, final_timeout_ms=2000)
    core.hear(WORDS, commit=True)
    core.wait(0.1)
    core.hear(WORDS)
    core.transcribed("delta", "b", delta="two")
    assert core.of(Interim) == []
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="")
    core.transcribed("delta", "b", delta=" three")
    core.core.commit()
    core.look()
    core.committed("b", "a")
    core.wait(3)
    assert told(core) == ["", "two three+"]
    interims = [(r.turn.text, r.turn.start_ms) for r in core.of(Interim)]
    assert interims == [("two", 300), ("two three", 300)]


@pytest.mark.parametrize("refused", [0, 1, 2])
@pytest.mark.parametrize("settings", [SETTINGS, LIVE])
def test_a_commit_that_is_refused_beside_others_is_sent_again(
    settings, refused
):
    """Its item may come before theirs or behind them: nothing tells."""
    core = begun(settings)
    for _ in range(3):
        core.hear(WORDS, commit=True)
    commits = [e["event_id"] for e in core.sent if e["type"] == COMMIT]
    error = {"type": "server_error", "event_id": commits[refused]}
    core.say({"type": "error", "error": error})
    items = [*"abc"]
    items.append(items.pop(refused))
    for item, previous in zip(items, [None, *items], strict=False):
        core.committed(item, previous)
        core.transcribed("completed", item, transcript=item)
    assert told(core) == []
    core.session()
    for item, previous in zip("def", [None, *"de"], strict=True):
        # One after the other.
        commits = [e for e in core.sent if e["type"] == COMMIT]
        assert len(commits) == "def".index(item) + 1
        core.committed(item, previous)
        core.transcribed("completed", item, transcript=item)
    assert core.audio == WORDS * 3
    assert told(core) == ["d", "e", "f"]
    starts = [final.turn.start_ms for final in core.of(Final)]
    assert starts == [0, 300, 600]


def test_what_a_live_model_says_behind_a_commit_is_not_what_was_refused():
    core = begun(LIVE)
    core.hear(WORDS)
    core.transcribed("delta", "a", delta="one")
    core.hear(b"", commit=True)
    commit = core.sent[-1]["event_id"]
    core.hear(WORDS)
    core.transcribed("delta", "b", delta="two")
    error = {"type": "server_error", "event_id": commit}
    core.say({"type": "error", "error": error})
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.hear(b"", commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="two")
    assert told(core) == ["one", "two"]
    starts = [final.turn.start_ms for final in core.of(Final)]
    assert starts == [0, 300]


@pytest.mark.parametrize("settings", [SETTINGS, LIVE])
def test_the_item_of_a_commit_that_was_refused_may_come_too_late(settings):
    """By then the audio was sent again, and another turn is under way."""
    core = begun(settings)
    core.hear(WORDS, commit=True)
    commit = core.sent[-1]["event_id"]
    error = {"type": "server_error", "event_id": commit}
    core.say({"type": "error", "error": error})
    core.wait(2)
    refused, core.link = core.link, None
    core.session()
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.hear(WORDS, commit=True)
    core.link, now = refused, core.link
    core.committed("z", None)
    core.transcribed("completed", "z", transcript="one")
    core.link = now
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="two")
    assert told(core) == ["one", "two"]


@pytest.mark.parametrize("text_first", [True, False])
@pytest.mark.parametrize("settings", [SETTINGS, LIVE])
def test_an_item_that_nobody_asked_for_is_not_believed(settings, text_first):
    """A gateway tries again, so a commit has two: the words behind it have
    no text yet."""
    core = begun(settings)
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.hear(WORDS)
    if text_first:
        core.transcribed("delta", "z", delta="one")
    core.committed("z", "a")
    core.transcribed("completed", "z", transcript="one")
    core.core.finalize("f", core.now)
    core.look()
    assert told(core) == ["one"]
    core.session()
    assert core.audio == WORDS
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="two")
    assert told(core) == ["one", "two", "f"]


def test_the_text_of_a_commit_that_was_refused_may_come_without_a_notice():
    """Which of the two it answers nothing tells: they are sent again."""
    core = begun(LIVE)
    core.answers_pings = False
    core.hear(WORDS, commit=True)
    core.hear(WORDS, commit=True)
    first, _ = (e["event_id"] for e in core.sent if e["type"] == COMMIT)
    error = {"type": "server_error", "event_id": first}
    core.say({"type": "error", "error": error})
    core.transcribed("delta", "a", delta="one")
    core.transcribed("completed", "a", transcript="one")
    core.transcribed("completed", "b", transcript="two")
    assert told(core) == []
    core.session()
    assert core.audio == WORDS * 2


@pytest.mark.parametrize("settings", [SETTINGS, LIVE])
def test_text_of_another_name_is_no_final(settings):
    core = begun(settings)
    core.hear(WORDS)
    core.transcribed("delta", "stray", delta="hm ")
    core.core.finalize("f", core.now)
    core.look()
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    core.wait(BOUND)
    core.transcribed("completed", "a", transcript="one two")
    assert told(core) == ["f?", "one two"]


def test_text_of_which_the_order_is_in_doubt_ends_nothing():
    core = begun(final_timeout_ms=2000)
    core.answers_pings = False
    core.hear(WORDS, commit=True)
    core.hear(WORDS)
    core.core.finalize("f", core.now)
    core.look()
    core.committed("b", "unknown")
    core.transcribed("delta", "b", delta="two")
    core.wait(BOUND)
    assert told(core) == ["f?"]


def test_text_before_the_notice_outlives_silence_that_is_discarded():
    """Other settings hold for what begins after them."""
    core = begun(LIVE)
    core.hear(WORDS)
    core.transcribed("delta", "a", delta="one")
    core.core.finalize("f", core.now)
    core.look()
    core.hear(SILENCE * ms(2000))
    core.core.change(replace(LIVE, prompt="other"), core.now)
    core.core.hurry(core.now)
    core.look()
    assert CLEAR in core.types
    core.transcribed("delta", "a", delta=" two")
    core.wait(BOUND)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one two")
    assert told(core) == ["f?", "one two"]


def test_a_turn_that_failed_is_not_ended_but_sent_again():
    core = begun(final_timeout_ms=2000)
    core.hear(WORDS, commit=True)
    core.committed("a", None)
    core.transcribed("delta", "a", delta="one")
    failure = {"code": "rate_limit_exceeded", "message": "try again in 4s"}
    core.transcribed("failed", "a", error=failure)
    core.wait(5)
    assert core.types.count(COMMIT) == 2
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="one two")
    assert told(core) == ["one two"]


def test_interims_of_the_next_turn_follow_an_early_final():
    core = two_turns(final_timeout_ms=1000)
    core.transcribed("delta", "a", delta="one")
    core.wait(0.5)
    core.transcribed("delta", "b", delta=" ")
    core.wait(1)
    core.transcribed("delta", "b", delta="two")
    texts = [
        (type(result), result.turn.text)
        for result in core.results
        if isinstance(result, (Interim, Final))
    ]
    assert texts == [(Interim, "one"), (Final, "one"), (Interim, "two")]


def test_an_interim_ends_with_the_commit_that_ends_its_turn():
    """What was sent since may be the next caller's, in a replay above all."""
    core = begun(LIVE)
    core.hear(WORDS, commit=True)
    core.hear(SILENCE * ms(400) + WORDS * 3)
    core.transcribed("delta", "a", delta="one")
    [interim] = core.of(Interim)
    end_ms = interim.turn.start_ms + interim.turn.duration_ms
    assert end_ms * 8 == len(WORDS)


def test_a_turn_that_is_given_up_ends_with_the_text_there_is():
    """Without a finalize: two sessions never said the last word."""
    core = begun()
    core.hear(WORDS + PAUSE, commit=True)
    for item in "ab":
        core.committed(item, None)
        core.transcribed("delta", item, delta="one ")
        core.transcribed("delta", item, delta="two")
        core.wait(15)
        if item == "a":
            core.wait(1)
            core.session()
    assert told(core) == ["one two+"]
    assert core.of(TurnFailed) == []
    assert core.troubles == ["no_result"]
    core.hear(WORDS + PAUSE, commit=True)
    core.committed("c", "b")
    core.transcribed("completed", "c", transcript="three")
    assert told(core) == ["one two+", "three"]


def test_what_is_too_short_for_a_commit_is_reported_at_the_stop():
    core = begun()
    core.hear(word_audio(1) * 2, commit=True)
    assert COMMIT not in core.types
    core.core.stop(core.now)
    core.look()
    (dropped,) = core.of(AudioDropped)
    assert (dropped.start_ms, dropped.duration_ms) == (0, 60)


def test_nothing_is_sent_any_more_after_the_stop():
    """What was to be sent is reported; a message of it would be empty."""
    core = begun()
    core.core.audio(WORDS * 10)
    core.core.stop(core.now)
    sent = len(core.sent)
    core.look()
    assert core.core.watermark == core.core.received
    assert core.sent[sent:] == []


def test_a_final_that_waits_to_be_delivered_is_no_missing_answer():
    """More text than anybody says goes out over time."""
    core = ScriptedCore(max_turn_ms=60_000)
    core.session()
    long = word_audio(1) * 1900 + SILENCE * ms(700)
    text = "\U0001f600" * 50_000
    words = [
        {"text": "\U0001f600" * 29, "start_ms": at, "end_ms": at + 5}
        for at in range(0, 17_000, 10)
    ]
    for item, previous in ("a", None), ("b", "a"):
        core.hear(long, commit=True)
        core.committed(item, previous)
    for item in "ab":
        core.transcribed(
            "completed", item, transcript=text, words=words, speakers=words
        )
    assert core.finals == [text]
    # The second is held for longer than an answer is waited for.
    core.wait(16)
    assert core.finals == [text]
    core.wait(10)
    assert core.finals == [text, text]
    assert core.troubles == []
