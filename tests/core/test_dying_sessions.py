"""Sessions that end while they are sent what others were sent before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripted_core import (
    APPEND,
    COMMIT,
    SERVER,
    UPDATED,
    ScriptedCore,
    created,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    TurnFailed,
)

#: Three seconds of sound each.
TURNS = [word_audio(word) * 100 for word in (1, 2, 3)]


def die(core: ScriptedCore) -> None:
    """The session ends without a word; another one follows in time."""
    core.core.exchange.closed(core.link, 1011, "", core.now)
    core.wait(12)
    core.session()


def dying(barren: int, silence_s: float = 0, **limits: int) -> ScriptedCore:
    """So many replays of three turns of ours ended without a final."""
    core = ScriptedCore(**limits)
    core.session()
    core.hear(SILENCE * ms(silence_s * 1000))
    for turn in TURNS:
        core.hear(turn, commit=True)
    for _ in range(1 + barren):
        die(core)
    return core


def deliver(core: ScriptedCore, item: str, before: str | None = None) -> None:
    """The turn that was sent last gets its text."""
    core.committed(item, before)
    core.transcribed("completed", item, transcript=item)


def messages(core: ScriptedCore) -> list[int]:
    """The sizes of the messages with audio, in ms."""
    sizes = [
        len(event["audio"]) * 3 // 4
        for event in core.sent
        if event["type"] == APPEND
    ]
    return [size * 1000 // ms(1000) for size in sizes]


def test_a_first_replay_sends_all_there_is():
    core = dying(0)
    assert core.audio == b"".join(TURNS)
    assert core.types.count(COMMIT) == 3


def test_after_a_barren_replay_the_next_turn_waits_for_the_final():
    core = dying(1)
    core.wait(5)
    assert core.audio == TURNS[0]
    core.committed("a", None)
    core.transcribed("delta", "a", delta="a")
    core.wait(5)
    assert core.audio == TURNS[0]
    core.transcribed("completed", "a", transcript="a")
    core.wait(5)
    assert core.audio == TURNS[0] + TURNS[1]
    deliver(core, "b")
    core.wait(5)
    assert core.audio == b"".join(TURNS)
    deliver(core, "c")
    assert core.finals == ["a", "b", "c"]


def test_a_session_that_delivered_something_was_not_barren():
    core = dying(0)
    for item, before in ("a", None), ("b", "a"), ("c", "b"):
        core.committed(item, before)
    core.transcribed("completed", "a", transcript="a")
    die(core)
    assert core.audio == TURNS[1] + TURNS[2]


def test_a_turn_that_ends_three_sessions_is_told_and_passed_over():
    core = dying(3)
    core.wait(5)
    assert core.audio == TURNS[0]
    assert core.of(TurnFailed) == []
    die(core)
    (failed,) = core.of(TurnFailed)
    assert failed.fault.code == "turn_ends_sessions"
    assert (failed.start_ms, failed.duration_ms) == (0, 3000)
    core.wait(5)
    assert core.audio == TURNS[1]
    deliver(core, "b")
    core.wait(5)
    deliver(core, "c")
    assert core.finals == ["b", "c"]
    assert len(core.of(TurnFailed)) == 1


def test_a_finalize_in_silence_is_no_turn_to_pass_over():
    core = ScriptedCore()
    core.session()
    core.hear(TURNS[0], commit=True)
    # Live and a replay; then only that turn goes out.
    for _ in range(2):
        die(core)
    core.hear(SILENCE * ms(1000))
    core.core.finalize("in silence", core.now)
    core.hear(SILENCE * ms(1000))
    core.hear(TURNS[1], commit=True)
    # The session that is sent a turn for the first time does not count.
    for _ in range(3 + 1 + 3):
        core.wait(5)
        die(core)
    ends = [turn.start_ms + turn.duration_ms for turn in core.of(TurnFailed)]
    assert ends == [3000, 8000]


def test_an_end_too_soon_for_a_turn_of_its_own_is_none_to_pass_over():
    """Two commits are asked for less than 100 ms apart: one turn is sent."""
    core = ScriptedCore()
    core.session()
    core.hear(word_audio(9) * 2, commit=True)
    core.hear(TURNS[0], commit=True)
    core.hear(TURNS[1], commit=True)
    for _ in range(2 + 3):
        die(core)
        core.wait(5)
    (failed,) = core.of(TurnFailed)
    assert (failed.start_ms, failed.duration_ms) == (0, 3060)
    assert core.audio == TURNS[1]


def fall_silent(core: ScriptedCore) -> None:
    """No PING is answered any more."""
    core.answers_pings = False
    core.wait(25)
    core.answers_pings = True
    core.session()
    core.link.take_ping()


def break_off(core: ScriptedCore) -> None:
    """The connection is reset."""
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    core.wait(12)
    core.session()


def with_code(code: int) -> Callable[[ScriptedCore], None]:
    def end(core: ScriptedCore) -> None:
        core.core.exchange.closed(core.link, code, "", core.now)
        core.wait(12)
        core.session()

    return end


@pytest.mark.parametrize(
    "end",
    [fall_silent, break_off, with_code(1012), with_code(1013), with_code(1014)],
)
def test_an_end_of_the_line_counts_half(end):
    core = dying(1)
    for _ in range(6):
        assert core.of(TurnFailed) == []
        end(core)
    assert [turn.fault.code for turn in core.of(TurnFailed)] == [
        "turn_ends_sessions"
    ]


def test_where_the_service_said_nothing_no_turn_is_to_blame():
    """Over HTTP a session is there before anybody is asked."""
    core = dying(1)
    for _ in range(20):
        core.core.exchange.closed(core.link, 1006, "", core.now, lived=False)
        core.wait(12)
        core.session()
    assert core.of(TurnFailed) == []


def test_a_turn_of_the_servers_is_waited_for_as_well():
    core = ScriptedCore(SERVER)
    core.session()
    for word in (1, 2):
        core.live(word_audio(word) * 40)
        core.quiet(1)
    die(core)
    core.answers_pings = False
    die(core)
    # Its detector hears each second before the next one goes out.
    for seconds in (1, 2):
        assert len(core.audio) == ms(1000 * seconds)
        core.core.exchange.pong(core.link, core.now)
        if seconds == 1:
            core.look()
    core.turn("a", 0, 1700)
    core.answers_pings = True
    core.wait(5)
    assert len(core.audio) == ms(2000)
    core.transcribed("completed", "a", transcript="one")
    core.wait(1)
    assert word_audio(2) * 40 in core.audio
    assert core.finals == ["one"]


def test_few_large_messages_where_their_number_may_be_what_kills():
    assert max(messages(dying(0))) <= 200
    assert messages(dying(1)) == [1000, 1000, 1000]


@pytest.mark.parametrize(
    ("barren", "seconds", "size"), [(2, 1.0, 1000), (3, 2.4, 200)]
)
def test_it_goes_slower_the_second_and_the_third_time(
    barren: int, seconds: float, size: int
):
    core = dying(barren)
    assert messages(core) == [size]
    core.wait(seconds / 2)
    assert COMMIT not in core.types
    core.wait(seconds / 2 + 0.01)
    assert core.audio == TURNS[0]
    assert set(messages(core)) == {size}
    assert core.types[-1] == COMMIT


def test_the_silence_before_is_spared():
    core = dying(1, silence_s=5)
    core.wait(5)
    assert core.audio.endswith(TURNS[0])
    assert len(core.audio) <= len(TURNS[0]) + ms(500)
    deliver(core, "a")
    (final,) = core.of(Final)
    assert final.turn.start_ms == 5000


def test_all_is_as_before_once_nothing_is_left():
    core = dying(1)
    for item, before in ("a", None), ("b", "a"), ("c", "b"):
        core.wait(5)
        deliver(core, item, before)
    core.wait(1)
    core.sent = []
    core.hear(TURNS[0], commit=True)
    core.hear(TURNS[1], commit=True)
    assert core.audio == TURNS[0] + TURNS[1]
    assert core.types.count(COMMIT) == 2
    die(core)
    assert core.audio == TURNS[0] + TURNS[1]
    assert core.types.count(COMMIT) == 2


# -- where the server ends the turns ---------------------------------------


def dying_of_the_second(pause_ms: int) -> ScriptedCore:
    """A careful session gets two turns of the server with a pause between."""
    core = ScriptedCore(SERVER)
    core.session()
    core.live(FIRST)
    core.quiet(pause_ms / 1000)
    core.live(SECOND)
    core.quiet(2)
    for _ in range(2):
        die(core)
    core.wait(0.5)
    return core


#: 1.2 s of sound each.
FIRST, SECOND = word_audio(1) * 40, word_audio(2) * 40


@pytest.mark.parametrize("pause_ms", [520, 660, 2000])
def test_what_follows_the_servers_turn_waits_for_its_final(pause_ms: int):
    core = dying_of_the_second(pause_ms)
    silence = ms(min(pause_ms, 800))
    assert core.audio == FIRST + SILENCE * silence
    core.turn("a", 0, 1700)
    core.wait(5)
    assert len(core.audio) == len(FIRST) + silence
    core.transcribed("completed", "a", transcript="one")
    core.wait(1)
    assert core.finals == ["one"]
    assert SECOND in core.audio


def test_only_the_turn_that_ends_sessions_is_given_up():
    core = dying_of_the_second(660)
    core.turn("a", 0, 1700)
    core.transcribed("completed", "a", transcript="one")
    for _ in range(5):
        core.wait(1)
        die(core)
    assert core.finals == ["one"]
    (failed,) = core.of(TurnFailed)
    assert failed.fault.code == "turn_ends_sessions"
    assert (failed.start_ms, failed.duration_ms) == (1860, 1200)


def test_a_server_that_does_not_end_the_turn_gets_what_follows():
    core = dying_of_the_second(660)
    core.started("a", 0)
    assert SECOND not in core.audio
    core.wait(5)
    assert SECOND in core.audio


def test_a_turn_for_which_no_session_lives_long_enough_is_passed_over():
    """It goes out slowly, since all else ended sessions: in 24 s, where one
    lasts 20 s."""
    core = ScriptedCore()
    core.session()
    core.hear(word_audio(1) * 1000, commit=True)
    for _ in range(4):
        die(core)
    for _ in range(200):
        core.wait(1)
        due_at = core.core.sessions.due_at()
        if due_at is not None and due_at <= core.now:
            core.connect()
            core.say(created(20), UPDATED)
            core.link = core.core.active or core.link
    assert [turn.fault.code for turn in core.of(TurnFailed)] == [
        "turn_ends_sessions"
    ]
