"""A local detector's word, turns without an end, and what a turn tells."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from scripted_core import (
    APPEND,
    CLEAR,
    COMMIT,
    CREATED,
    SERVER,
    SETTINGS,
    UPDATED,
    ScriptedCore,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.events import (
    MAX_TOKENS,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    FinalizeEnd,
    Interim,
    ServerProblem,
    SessionLost,
    TurnCommitted,
    TurnFailed,
)
from ten_packages.extension.openai_asr_python.realtime.session import (
    SessionState,
)

WORD = word_audio(1)
WIDE = {"window_ms": 3_600_000, "packet_ms": 100, "replay_packet_ms": 100}


def audio_of(core: ScriptedCore) -> bytes:
    audio = [e["audio"] for e in core.sent if e["type"] == APPEND]
    return b"".join(base64.b64decode(data) for data in audio)


def listening(
    skip_before_ms: int | None = None, *, live: bool = False, **limits: int
):
    settings = replace(SETTINGS, live=live)
    core = ScriptedCore(settings, **{**WIDE, **limits})
    core.core.detect_locally(True, skip_before_ms)
    core.session()
    core.sent = []
    return core


def commits_at(core: ScriptedCore) -> list[int]:
    """After how much audio, in ms, each commit went out."""
    sent, places = 0, []
    for event in core.sent:
        if event["type"] == APPEND:
            sent += len(base64.b64decode(event["audio"]))
        elif event["type"] == COMMIT:
            places.append(sent // 8)
    return places


# -- a local detector --------------------------------------------------------


def test_only_speech_and_the_padding_before_it_is_sent():
    core = listening(skip_before_ms=100)
    core.hear(SILENCE * ms(2000))
    assert core.sent == []
    core.core.speech_started(ms(2000))
    core.hear(WORD * 10)
    assert audio_of(core) == SILENCE * ms(100) + WORD * 10
    core.hear(SILENCE * ms(500))
    core.core.speech_ended(ms(2300), ms(2500))
    core.look()
    assert core.types[-1] == COMMIT
    # What was begun to be sent is sent up to its commit.
    assert len(audio_of(core)) == ms(900)
    core.hear(SILENCE * ms(1000))
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    [final] = core.of(Final)
    assert (final.turn.start_ms, final.turn.duration_ms) == (2000, 300)


def test_a_mark_in_silence_is_gone_to_without_audio():
    core = listening(skip_before_ms=100)
    core.hear(SILENCE * ms(1000))
    core.core.finalize("f", core.now)
    core.look()
    assert core.sent == []
    assert [end.timed_out for end in core.of(FinalizeEnd)] == [False]


def test_what_the_detector_passed_over_is_let_go():
    # With `skip` nothing was sent; 1100 ms before its goal the feed goes on.
    for skip, kept in ((None, 1000), (100, 2200)):
        core = listening(skip)
        core.hear(SILENCE * ms(3000))
        core.core.quiet_to(ms(2500))
        assert core.core.watermark == ms(2500 - kept)
    core.core.speech_started(ms(3000))
    core.hear(WORD * 20)
    core.core.quiet_to(ms(3400))
    assert core.core.watermark == ms(300)


def test_quiet_audio_waits_for_more_of_it_until_something_stands_out():
    core = ScriptedCore(packet_ms=40)
    core.session()
    core.sent = []
    assert not core.core.listened(True, None)
    piece = SILENCE * ms(40)
    for expected in [False] * 4 + [True]:
        assert core.core.audio(piece) is expected
        core.look()
    assert core.types == [APPEND]
    assert len(audio_of(core)) == ms(200)
    assert not core.core.audio(piece)
    assert core.core.listened(False, None)
    core.look()
    assert len(audio_of(core)) == ms(240)
    # And from then on as before.
    assert core.core.audio(piece)


@pytest.mark.parametrize("what", ["finalize", "commit"])
def test_a_wish_for_text_waits_for_no_more_audio(what):
    core = ScriptedCore(packet_ms=40)
    core.session()
    core.sent = []
    core.core.listened(True, None)
    core.hear(WORD * 4)
    assert core.sent == []
    if what == "finalize":
        core.core.finalize("f", core.now)
    else:
        core.core.commit()
    core.look()
    assert core.types == [APPEND, COMMIT]
    assert len(audio_of(core)) == ms(120)


def in_a_turn(core: ScriptedCore) -> None:
    """Two seconds of silence, 300 ms of speech, then silence for 400 ms."""
    core.hear(SILENCE * ms(2000))
    core.core.speech_started(ms(2000))
    core.core.listened(False, ms(2100))
    core.hear(WORD * 10)
    core.core.listened(False, ms(2400))
    core.hear(SILENCE * ms(400))


def test_silence_that_may_be_the_end_is_held_back():
    core = listening(skip_before_ms=100)
    in_a_turn(core)
    begin = SILENCE * ms(100) + WORD * 10
    assert audio_of(core) == begin + SILENCE * ms(100)
    # It was none: what was held is sent late, but whole.
    core.hear(WORD * 10)
    assert core.core.listened(False, ms(3100))
    core.look()
    assert audio_of(core) == begin + SILENCE * ms(400) + WORD * 10
    core.hear(SILENCE * ms(500))
    core.core.speech_ended(ms(3000), ms(3100))
    core.look()
    assert commits_at(core) == [100 + 300 + 400 + 300 + 100]
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one two")
    [final] = core.of(Final)
    assert (final.turn.start_ms, final.turn.duration_ms) == (2000, 1000)
    assert core.core.queue.billed == ms(1200)
    assert core.core.feed.skip.saved == ms(1900)


def test_a_finalize_commits_what_there_is_of_a_turn():
    core = listening(skip_before_ms=100)
    in_a_turn(core)
    core.core.speech_ended(ms(2300), ms(2400))
    core.core.finalize("f", core.now)
    core.look()
    assert commits_at(core) == [500]
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert [end.timed_out for end in core.of(FinalizeEnd)] == [False]
    # What it had no part of is behind us.
    assert core.core.feed.skip.saved == ms(1900 + 300)


def test_a_replay_leaves_out_the_same():
    core = listening(skip_before_ms=100)
    in_a_turn(core)
    core.core.speech_ended(ms(2300), ms(2400))
    core.look()
    sent, saved = audio_of(core), core.core.feed.skip.saved
    assert saved == ms(1900)
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    core.wait(1)
    core.session()
    core.look()
    assert audio_of(core) == sent
    assert commits_at(core) == [500]
    assert core.core.feed.skip.saved == saved


def test_a_soft_beginning_is_sent_where_there_may_be_one():
    core = listening(skip_before_ms=100)
    core.hear(SILENCE * ms(2000))
    core.core.speech_started(ms(2000), ms(1700))
    core.hear(WORD * 10)
    assert audio_of(core) == SILENCE * ms(300) + WORD * 10


def test_nothing_is_passed_over_while_a_commit_is_open():
    core = listening()
    core.core.speech_started(0)
    core.hear(WORD * 10)
    core.core.speech_ended(ms(300), ms(300))
    core.hear(SILENCE * ms(3000))
    core.core.quiet_to(ms(3000))
    assert core.core.watermark == 0
    assert commits_at(core) == [300]


def test_turns_of_a_server_without_speech_events_are_all_delivered():
    """Where all audio goes out at once, it says nothing of where they end."""
    core = ScriptedCore(SERVER)
    core.session()
    audio = b"".join(WORD * 3 + SILENCE * ms(800) for _ in range(4))
    core.hear(audio)
    previous = None
    for item in "abcd":
        core.committed(item, previous)
        previous = item
    for item in "abcd":
        core.transcribed("completed", item, transcript=f"turn {item}")
    assert [r.turn.text for r in core.of(Final)] == [
        f"turn {item}" for item in "abcd"
    ]


def test_who_takes_over_the_listening_ends_what_was_said():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10)
    core.core.detect_locally(True)
    core.look()
    assert core.types[-1] == COMMIT
    core.hear(WORD * 10)
    core.core.speech_started(ms(300))
    core.core.detect_locally(False)
    core.look()
    assert commits_at(core) == [300, 600]


def test_what_has_its_end_already_is_not_ended_again():
    """Where somebody begins to speak just then, it would cut his word."""
    core = listening()
    core.core.speech_started(0)
    core.hear(WORD * 10)
    core.core.speech_ended(ms(300), ms(300))
    core.hear(SILENCE * ms(500) + WORD * 3)
    core.core.detect_locally(False)
    core.look()
    assert commits_at(core) == [300]


def test_a_boundary_is_never_beyond_what_was_heard():
    core = listening()
    core.core.speech_started(0)
    core.hear(WORD * 10)
    core.core.speech_ended(ms(300), ms(900))
    core.look()
    assert commits_at(core) == [300]


def whispered(more_ms: int, *, speaks: bool = False):
    """A finalize behind a word that no local detector hears; the service says
    it after so much more audio."""
    core = listening()
    core.hear(WORD * 10)
    core.core.finalize("f", core.now)
    core.look()
    assert commits_at(core) == []
    assert len(core.of(FinalizeEnd)) == 1
    if speaks:
        core.core.speech_started(core.core.received)
    core.hear(SILENCE * ms(more_ms))
    core.transcribed("delta", "a", delta="one")
    return core


@pytest.mark.parametrize("more_ms", [0, 100, 1900])
def test_a_word_that_only_the_service_heard_ends_with_its_turn(more_ms: int):
    core = whispered(more_ms)
    assert commits_at(core) == [300 + more_ms]
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert core.finals == ["one"]
    core.transcribed("delta", "b", delta="two")
    assert len(commits_at(core)) == 1


@pytest.mark.parametrize(("more_ms", "speaks"), [(100, True), (2100, False)])
def test_it_cuts_no_turn_that_came_meanwhile(more_ms: int, speaks: bool):
    core = whispered(more_ms, speaks=speaks)
    assert commits_at(core) == []
    if speaks:
        core.core.speech_ended(core.core.received, core.core.received)
    else:
        core.core.finalize("g", core.now)
    core.look()
    assert commits_at(core) == [300 + more_ms]


def test_what_a_service_makes_up_of_silence_ends_no_turn():
    core = listening()
    core.hear(SILENCE * ms(500))
    core.core.finalize("f", core.now)
    core.look()
    core.transcribed("delta", "a", delta="hm")
    assert commits_at(core) == []


def test_a_long_turn_is_no_silence_where_the_service_said_a_word():
    """Nobody asks for its end, and the local detector hears none."""
    core = listening(max_turn_ms=10_000)
    core.hear(WORD * 10)
    core.transcribed("delta", "a", delta="one")
    core.live(SILENCE * ms(9000))
    assert CLEAR not in core.types
    assert len(commits_at(core)) == 1
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert core.finals == ["one"]
    # What nobody says anything of is discarded as ever.
    core.live(SILENCE * ms(9000))
    assert core.types.count(CLEAR) == 1
    assert len(commits_at(core)) == 1


def lost_after_a_word(committed: bool = False, live: bool = True):
    """The service said a word that no local detector heard; then the
    connection dies, and silence follows."""
    core = listening(live=live)
    core.hear(WORD * 10)
    core.transcribed("delta", "a", delta="one")
    if committed:
        core.core.finalize("f", core.now)
        core.look()
        core.committed("a", None)
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.hear(SILENCE * ms(5000))
    core.core.quiet_to(core.core.received)
    return core


@pytest.mark.parametrize("committed", [False, True])
def test_a_word_that_only_the_service_heard_survives_its_session(
    committed: bool,
):
    core = lost_after_a_word(committed)
    if not committed:
        core.core.finalize("f", core.now)
    core.look()
    assert core.of(FinalizeEnd) == []
    core.wait(2)
    core.session()
    assert core.audio[: ms(300)] == WORD * 10
    assert commits_at(core) == [300 if committed else 5300]
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="one")
    assert core.finals == ["one"]
    core.core.quiet_to(core.core.received)
    core.look()
    assert [end.token for end in core.of(FinalizeEnd)] == ["f"]


def test_a_word_without_a_turn_of_a_model_that_waits_for_its_end_is_none():
    """It came under a wrong name, and is of another turn."""
    core = lost_after_a_word(live=False)
    core.core.finalize("f", core.now)
    core.wait(2)
    core.session()
    assert commits_at(core) == []
    assert len(core.of(FinalizeEnd)) == 1


def test_such_a_word_is_reported_where_no_session_hears_it():
    core = lost_after_a_word()
    core.core.stop(core.now)
    core.look()
    [gone] = core.of(AudioDropped)
    assert (gone.start_ms, gone.duration_ms) == (0, 5300)


def test_a_turn_that_a_server_noticed_late_is_ended_at_the_same_place():
    """The frames stopped with a finalize; a gap asks for the end again."""
    core = ScriptedCore(SERVER, **WIDE)
    core.session()
    core.sent = []
    core.live(WORD * 10)
    core.core.finalize("f", core.now)
    core.look()
    core.wait(2)
    core.started("a", 0)
    assert commits_at(core) == []
    core.core.commit()
    core.look()
    assert commits_at(core) == [300]


def test_the_end_of_a_long_turn_is_sent_late():
    """Where to cut it is found a little later."""
    core = listening(max_turn_ms=10_000)
    core.core.speech_started(0)
    core.hear(WORD * 180)
    assert len(audio_of(core)) == ms(5400)
    core.hear(WORD * 20)
    assert len(audio_of(core)) == ms(6000 - 450)
    core.core.speech_ended(ms(5800), ms(5700))
    core.look()
    assert commits_at(core) == [5700]


# -- a finalize in a pause ---------------------------------------------------


def goes_on(core: ScriptedCore, pause_ms: int) -> None:
    """A finalize 200 ms after a turn whose text is awaited; so long after it
    somebody speaks again."""
    core.quiet(0.2)
    core.core.finalize("f", core.now)
    core.look()
    core.live(SILENCE * ms(pause_ms))
    core.live(WORD * 10)


def ends(core: ScriptedCore) -> list[bool]:
    return [end.timed_out for end in core.of(FinalizeEnd)]


@pytest.mark.parametrize("pause_ms", [50, 150, 250, 350])
def test_a_finalize_does_not_wait_for_what_is_said_after_it(pause_ms: int):
    """The padding of the next turn reaches back to before the finalize."""
    core = ScriptedCore(SERVER, **WIDE)
    core.session()
    core.live(WORD * 20)
    core.quiet(0.5)
    core.turn("a", 0, 1100)
    goes_on(core, pause_ms)
    core.wait(0.4)
    core.started("b", max(1300 + pause_ms - 300, 1100))
    core.wait(0.1)
    assert ends(core) == []
    core.transcribed("completed", "a", transcript="one")
    assert (core.finals, ends(core)) == (["one"], [False])
    core.wait(6)
    assert core.finals == ["one"]


def test_nor_does_it_where_a_live_model_tells_the_next_words():
    core = listening()
    core.core.speech_started(0)
    core.live(WORD * 20)
    core.quiet(0.5)
    core.core.speech_ended(ms(600), ms(1100))
    core.look()
    goes_on(core, 100)
    core.core.speech_started(core.core.received - len(WORD * 10))
    core.committed("a", None)
    core.transcribed("delta", "b", delta="two")
    assert ends(core) == []
    core.transcribed("completed", "a", transcript="one")
    assert (core.finals, ends(core)) == (["one"], [False])


def test_a_word_that_a_finalize_cut_is_waited_for():
    core = ScriptedCore(SERVER, **WIDE)
    core.session()
    core.quiet(1)
    core.live(WORD * 10)
    core.core.finalize("f", core.now)
    core.look()
    core.live(WORD * 10)
    core.started("b", 700)
    core.wait(1)
    assert ends(core) == []


# -- a turn that nobody ends -------------------------------------------------


def test_a_client_turn_is_cut_at_a_pause_near_its_bound():
    core = ScriptedCore(**WIDE, max_turn_ms=10_000)
    core.session()
    core.hear(WORD * 250)
    core.hear(SILENCE * ms(200))
    core.hear(WORD * 20)
    core.hear(SILENCE * ms(200))
    core.hear(WORD * 10)
    # 8 s are reached in the second stretch of words only.
    assert commits_at(core) == [8500]


def test_a_client_turn_without_a_pause_is_cut_at_its_bound():
    core = ScriptedCore(**WIDE, max_turn_ms=9000)
    core.session()
    core.hear(WORD * 290)
    assert commits_at(core) == []
    core.hear(WORD * 8)
    assert commits_at(core) == []
    core.hear(WORD * 8)
    assert commits_at(core) == [9180]


def test_what_is_too_short_is_no_turn():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 3, commit=True)
    core.core.finalize("f", core.now)
    core.look()
    assert commits_at(core) == []
    assert len(core.of(FinalizeEnd)) == 1
    core.hear(WORD[: ms(10)], commit=True)
    assert commits_at(core) == [100]


def test_live_audio_goes_out_in_packets_and_a_replay_in_larger_ones():
    core = ScriptedCore(packet_ms=40, replay_packet_ms=200)
    core.session()
    core.sent = []
    core.hear(SILENCE * (ms(30) - 1))
    assert core.sent == []
    core.hear(SILENCE)
    core.hear(SILENCE * ms(160))
    assert [len(base64.b64decode(e["audio"])) for e in core.sent] == [
        ms(30),
        ms(160),
    ]
    core.hear(SILENCE * ms(161))
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.session()
    sizes = [len(base64.b64decode(e["audio"])) for e in core.sent[1:]]
    assert sizes == [ms(200), ms(151)]


# -- what a turn tells -------------------------------------------------------


def test_all_that_a_final_tells():
    hinted = replace(SETTINGS, languages=("de", "en"))
    core = ScriptedCore(hinted, **WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    core.committed("a", None)
    assert core.of(TurnCommitted) == [TurnCommitted("a")]
    token = {"token": "o", "logprob": -0.5}
    core.transcribed("delta", "a", delta="o", logprobs=[token])
    core.transcribed("delta", "a", delta="n", logprobs=[token])
    core.transcribed(
        "completed",
        "a",
        usage={"tokens": 3},
        languages=[{"code": "de"}, {"code": 7}, *[{"code": "en"}] * 9],
    )
    core.transcribed("completed", "a", transcript="again")
    [final] = core.of(Final)
    turn = final.turn
    assert (turn.item_id, turn.text, turn.model) == ("a", "on", hinted.model)
    assert turn.usage == {"tokens": 3}
    assert turn.languages == ("de", *["en"] * 6)
    assert turn.hints == ("de", "en")
    assert turn.logprobs == [-0.5, -0.5]
    assert core.of(Interim)[-1].turn.logprobs == [-0.5, -0.5]


def test_the_logprobs_of_a_turn_are_bounded():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    core.committed("a", None)
    many = [{"token": "o", "logprob": -0.5}] * (MAX_TOKENS - 1)
    for _ in range(3):
        core.transcribed("delta", "a", delta="o", logprobs=many)
    core.transcribed("completed", "a")
    [final] = core.of(Final)
    assert len(final.turn.logprobs) == MAX_TOKENS


def test_tokens_of_the_last_word_replace_those_before():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    core.committed("a", None)
    early = {"token": "o", "logprob": -0.5}
    last = {"token": "on", "logprob": -0.25}
    core.transcribed("delta", "a", delta="o", logprobs=[early])
    core.transcribed("completed", "a", transcript="", logprobs=[last])
    [final] = core.of(Final)
    assert (final.turn.text, final.turn.logprobs) == ("", [-0.25])


def test_a_turn_that_fails_for_a_lasting_reason_is_sent_again_once():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    error = {"type": "invalid_request_error", "code": "c", "message": "so"}
    for item in ("a", "b"):
        core.committed(item, None)
        core.transcribed("failed", item, error=error)
        if item == "a":
            assert core.of(TurnFailed) == []
            core.wait(1.0)
            assert commits_at(core) == [300, 600]
    [failed] = core.of(TurnFailed)
    assert (failed.item_id, failed.start_ms) == ("b", 0)
    assert failed.duration_ms == 300
    assert failed.fault.verdict == "report"
    assert failed.fault.code == "c"
    assert failed.fault.message == "transcription failed: so"
    assert core.core.watermark == core.core.dropped == ms(300)
    assert not core.link.must_close
    # The next turn has its own two tries.
    core.hear(WORD * 10, commit=True)
    core.committed("c", "b")
    core.transcribed("failed", "c", error=error)
    core.wait(1.0)
    assert len(core.of(TurnFailed)) == 1
    assert commits_at(core) == [300, 600, 900, 1200]


def test_a_second_turn_waits_for_the_first():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    core.hear(WORD * 10, commit=True)
    core.committed("a", None)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="two")
    assert core.of(Final) == []
    core.wait(14.0)
    core.transcribed("completed", "a", transcript="one")
    assert [r.turn.text for r in core.of(Final)] == ["one", "two"]
    assert core.core.watermark == ms(600)


def test_the_wait_for_an_answer_begins_anew_with_each_turn():
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    core.hear(WORD * 10, commit=True)
    core.committed("a", None)
    core.committed("b", "a")
    core.wait(14.0)
    core.transcribed("completed", "a", transcript="one")
    core.wait(14.0)
    assert not core.link.must_close
    core.wait(1.1)
    assert core.link.must_close


def test_what_means_nothing_is_counted():
    core = ScriptedCore(**WIDE)
    core.session()
    core.say("{", "[]", {"type": "odd"}, {"type": "odd.too"})
    core.transcribed("completed", "a", transcript="one")
    assert core.core.sessions.habits.unknown_events == 5
    assert core.of(Final) == []


# -- the server's words about itself ------------------------------------------


@pytest.mark.parametrize(
    ("told", "dialect"),
    [
        ({"input_audio_format": "pcm16"}, "transcription_session.update"),
        ({"input_audio_format": "pcm16", "audio": {}}, "session.update"),
        ({"audio": {}}, "session.update"),
        ({}, "session.update"),
    ],
)
def test_the_shape_of_a_session_tells_the_dialect(told, dialect):
    core = ScriptedCore()
    core.connect()
    core.say({"type": "session.created", "session": told})
    assert core.types == [dialect]


def test_an_error_of_a_session_that_goes_on_is_told_after_a_moment():
    core = ScriptedCore(**WIDE)
    core.session()
    core.say({"type": "error", "error": {"code": "c", "message": "so"}})
    core.core.exchange.tick(core.now)
    core.wait(0.45)
    core.core.exchange.tick(core.now)
    core.look()
    assert core.of(ServerProblem) == []
    core.wait(0.1)
    [told] = core.of(ServerProblem)
    assert (told.fault.verdict, told.fault.code) == ("report", "c")
    assert told.fault.message == "so"


def test_a_server_that_does_not_answer_is_given_up():
    core = ScriptedCore(**WIDE)
    core.session()
    core.answers_pings = False
    core.hear(WORD * 10)
    core.wait(8.9)
    assert core.of(SessionLost) == []
    core.wait(0.2)
    [lost] = core.of(SessionLost)
    assert (lost.fault.verdict, lost.fault.code) == ("retry", "no_answer")
    text = "the server does not answer, or does not read"
    assert lost.fault.message == text
    assert core.link.must_close


def test_an_empty_commit_is_no_problem_and_waits_for_no_item():
    core = ScriptedCore(SERVER, **WIDE)
    core.session()
    core.hear(WORD * 10)
    start = "input_audio_buffer.speech_started"
    core.say({"type": start, "item_id": "a", "audio_start_ms": 0})
    core.core.finalize("f", core.now)
    core.look()
    asked = core.sent[-1]
    assert asked["type"] == COMMIT
    stop = "input_audio_buffer.speech_stopped"
    core.say({"type": stop, "item_id": "a", "audio_end_ms": 250})
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert core.of(FinalizeEnd) == []
    code = "input_audio_buffer_commit_empty"
    error = {"code": code, "event_id": asked["event_id"]}
    core.say({"type": "error", "error": error})
    assert len(core.of(FinalizeEnd)) == 1
    core.wait(1.0)
    assert core.of(ServerProblem) == []


def test_the_session_that_follows_opens_before_the_hour_is_over():
    core = ScriptedCore(**WIDE)
    core.connect()
    soon = {"id": "s", "expires_at": 1.7e9 + 1000}
    core.say({**CREATED, "session": soon}, UPDATED)
    first = core.link
    core.wait(939.9)
    assert not core.core.exchange.next_attempt(core.now)
    core.wait(0.2)
    core.session()
    # Nothing is undelivered: it takes over at once.
    assert core.core.active is core.link
    assert first.must_close
    assert first.session.state is SessionState.OVER
    assert core.of(SessionLost) == []


@pytest.mark.parametrize("notice", ["added", "created", "done"])
def test_an_item_may_be_announced_as_an_object(notice):
    core = ScriptedCore(**WIDE)
    core.session()
    core.hear(WORD * 10, commit=True)
    kind = f"conversation.item.{notice}"
    core.say({"type": kind, "item": {"id": "a"}, "previous_item_id": None})
    core.transcribed("completed", "a", transcript="one")
    assert [r.turn.text for r in core.of(Final)] == ["one"]


def test_there_is_something_to_send_from_three_quarters_of_a_packet_on():
    core = ScriptedCore(packet_ms=40)
    assert not core.core.audio(SILENCE * ms(40))
    core = ScriptedCore(packet_ms=40)
    core.session()
    assert not core.core.audio(SILENCE * (ms(30) - 1))
    assert core.core.audio(SILENCE)


def test_jumps_over_silence_are_forgotten_with_what_was_delivered():
    core = listening(skip_before_ms=100)
    for number in range(5):
        core.hear(SILENCE * ms(2000))
        onset = core.core.received
        core.core.speech_started(onset)
        core.hear(WORD * 10)
        core.core.speech_ended(onset + ms(300), onset + ms(300))
        core.look()
        core.committed(f"a{number}", f"a{number - 1}" if number else None)
        core.transcribed("completed", f"a{number}", transcript="one")
    starts = [r.turn.start_ms for r in core.of(Final)]
    assert starts == [2000, 4300, 6600, 8900, 11_200]
    assert len(core.link.session.audio._anchors) == 1
