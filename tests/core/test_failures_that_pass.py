"""Turns that the service fails to transcribe, for a reason that may pass."""

from __future__ import annotations

import random
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
from ten_packages.extension.openai_asr_python.realtime.endpoints import (
    Endpoint,
)
from ten_packages.extension.openai_asr_python.realtime.resend import Resend
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    SessionLost,
    TurnFailed,
)

#: 300 ms of sound each.
ONE, TWO, THREE = (word_audio(word) * 10 for word in (1, 2, 3))
#: How a turn of ours is sent again: what was sent since the last commit is
#: discarded first; 300 ms go out in two messages.
AGAIN = [CLEAR, APPEND, APPEND, COMMIT]
BUSY = {"type": "server_error", "message": "The server is busy."}


def wish(time: str) -> dict[str, str]:
    message = f"Too many requests. Please try again in {time}."
    return {"code": "rate_limit_exceeded", "message": message}


def client(**limits: int) -> ScriptedCore:
    """One turn of ours, which has its item."""
    core = ScriptedCore(**limits)
    core.session()
    core.hear(ONE, commit=True)
    core.committed("a", None)
    core.sent = []
    return core


def server(**limits: int) -> ScriptedCore:
    """One turn of the server's."""
    core = ScriptedCore(SERVER, **limits)
    core.session()
    core.live(ONE + SILENCE * ms(800))
    turn(core, "a", 0)
    core.sent = []
    return core


def turn(core: ScriptedCore, item: str, at_ms: int, after: Any = None) -> None:
    """The detector hears a word that begins at its time ``at_ms``."""
    core.started(item, at_ms)
    core.stopped(item, at_ms + 800)
    core.committed(item, after)


def fail(core: ScriptedCore, item: str, error: dict[str, str] = BUSY) -> None:
    core.transcribed("failed", item, error=error)


def done(core: ScriptedCore, item: str, text: str) -> None:
    core.transcribed("completed", item, transcript=text)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_named_time_is_that_of_one_address(elsewhere):
    core = client()
    fail(core, "a", wish("25s"))
    if elsewhere:
        core.core.change(core.core.settings, core.now, address="another key")
    else:
        other = replace(core.core.settings, model="another")
        core.core.change(other, core.now)
    core.wait(6)
    core.session()
    core.wait(1)
    assert (COMMIT in core.types) == elsewhere
    core.wait(25)
    assert core.types.count(COMMIT) == 1


# -- when --------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("1500ms", 1.5), ("3.2s", 3.2), ("7 seconds", 7.0), ("1m2s", 62.0)],
)
def test_it_waits_for_the_time_that_the_service_names(
    time: str, seconds: float
):
    core = client(turn_timeout_ms=100_000)
    fail(core, "a", wish(time))
    core.wait(seconds - 0.01)
    assert core.sent == []
    core.wait(seconds * 0.1 + 0.02)
    assert core.types == AGAIN
    core.committed("b", "a")
    done(core, "b", "one")
    assert core.finals == ["one"]
    assert core.troubles == []


def test_else_the_waits_grow_from_half_a_second():
    core = client()
    for number, (least, most) in enumerate(
        [(0.5, 0.625), (0.5, 0.625), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]
    ):
        fail(core, "a" if number == 0 else f"a{number}")
        core.sent = []
        core.wait(least - 0.01)
        assert core.sent == []
        core.wait(most - least + 0.02)
        assert core.types == AGAIN
        core.committed(f"a{number + 1}", None)
    done(core, "a5", "one")
    assert core.finals == ["one"]


def test_it_is_tried_until_turn_timeout_and_then_told():
    core = client()
    began = core.now
    for number in range(30):
        fail(core, f"a{number}" if number else "a")
        if core.of(TurnFailed):
            break
        core.sent = []
        for _ in range(50):
            if not core.sent:
                core.wait(0.1)
        core.committed(f"a{number + 1}", None)
    assert core.troubles == ["server_error"]
    assert 5 < core.now - began <= 15
    assert number > 3
    assert core.core.sessions.reconnects == 0


def test_a_reason_that_lasts_is_tried_again_once():
    core = client()
    quota = {"code": "insufficient_quota", "message": "No quota."}
    fail(core, "a", quota)
    core.wait(1)
    assert core.types == AGAIN
    core.committed("b", None)
    fail(core, "b", quota)
    assert core.troubles == ["insufficient_quota"]


def test_a_nearly_full_buffer_waits_for_nothing():
    core = client(max_buffer_ms=4000)
    core.hear(TWO * 11)
    fail(core, "a", wish("3s"))
    assert core.troubles == ["rate_limit_exceeded"]
    assert core.of(AudioDropped) == []


# -- where -------------------------------------------------------------


def test_the_same_session_gets_the_same_audio_of_a_turn_of_ours():
    core = client()
    fail(core, "a")
    core.wait(1)
    assert core.types == AGAIN
    assert core.audio == ONE
    assert core.of(SessionLost) == []


def test_the_same_session_gets_the_same_audio_of_a_turn_of_the_servers():
    core = server()
    fail(core, "a")
    core.wait(1)
    assert set(core.types) == {APPEND}
    assert ONE in core.audio
    # Its detector counts all audio that it was sent.
    turn(core, "b", 1100, "a")
    done(core, "b", "one")
    assert core.finals == ["one"]
    (final,) = core.of(Final)
    assert final.turn.start_ms == 0
    assert core.troubles == []


def test_where_no_pause_comes_another_session_gets_it_after_5_s():
    core = server()
    fail(core, "a", wish("1s"))
    core.live(TWO * 20)
    assert core.core.sessions.due_at() is None
    core.live(TWO)
    assert core.core.sessions.due_at() is not None
    core.wait(1)
    core.session()
    assert core.audio.startswith(ONE)


@pytest.mark.parametrize("live", [False, True])
def test_who_ends_the_turns_himself_needs_no_pause(live):
    """What is not committed is cleared; but a live model has words for it."""
    settings = replace(SETTINGS, live=live)
    core = ScriptedCore(settings)
    core.session()
    core.hear(ONE, commit=True)
    core.committed("a", None)
    core.sent = []
    fail(core, "a", wish("1s"))
    core.live(TWO * 7)
    assert (CLEAR in core.types) is not live
    begin = core.types.index(CLEAR) if not live else 0
    core.sent = core.sent[begin:]
    assert core.audio.startswith(ONE) is not live
    assert core.of(SessionLost) == []


def test_ten_turns_that_fail_cost_no_connection():
    core = ScriptedCore(SERVER)
    core.session()
    texts = []
    for number in range(10):
        at_ms = len_ms(core)
        core.live(word_audio(number) * 10 + SILENCE * ms(800))
        turn(core, f"a{number}", at_ms)
        fail(core, f"a{number}")
        at_ms = len_ms(core)
        core.quiet(2)
        turn(core, f"b{number}", at_ms)
        texts.append(f"text {number}")
        done(core, f"b{number}", texts[-1])
    assert core.finals == texts
    assert core.troubles == []
    assert core.core.sessions.reconnects == 0


def test_ten_turns_of_which_one_is_heard_at_a_time_cost_none_either():
    core = ScriptedCore()
    core.session()
    left = [str(number) for number in range(10)]
    for text in left:
        core.hear(word_audio(int(text)) * 10, commit=True)
    last = None
    while left:
        items = [f"{text}_{len(left)}" for text in left]
        for item in items:
            core.committed(item, last)
            last = item
        done(core, items[0], left.pop(0))
        for item in items[1:]:
            fail(core, item)
        core.wait(3)
    assert core.finals == [str(number) for number in range(10)]
    assert core.troubles == []
    assert core.core.sessions.reconnects == 0


def len_ms(core: ScriptedCore) -> int:
    """How much audio this connection was sent."""
    return len(core.audio) * 1000 // ms(1000)


@pytest.mark.parametrize("error", [BUSY, {"code": "invalid_request_error"}])
def test_what_another_session_hears_as_one_turn_is_tried_like_a_new_one(error):
    """Where two were heard before, and only the first one had failed."""
    core = server()
    begin_ms = 1100 + len_ms(core)
    core.live(TWO + SILENCE * ms(800))
    fail(core, "a", error)
    turn(core, "b", begin_ms, "a")
    core.wait(6)
    core.session()
    core.started("c", 0)
    core.stopped("c", 2200)
    core.committed("c", None)
    core.wait(9)
    fail(core, "c", error)
    assert core.troubles == []
    core.sent = []
    core.wait(3)
    assert core.audio == ONE + SILENCE * ms(800) + TWO + SILENCE * ms(800)
    # Nor is it tried for ever, whatever else belongs to it.
    core.live(THREE + SILENCE * ms(800))
    core.started("d", 2200)
    core.stopped("d", 5500)
    core.committed("d", "c")
    core.wait(14)
    fail(core, "d", error)
    assert core.troubles != []
    assert core.of(TurnFailed)[0].duration_ms == 2800


def test_but_not_where_its_time_is_over():
    resend = Resend(random.Random(1))
    resend.goes_to(Endpoint(SETTINGS, None), 15.0)
    assert resend.plan(0.0, 0.0, False)
    assert resend.is_due(1.0)
    resend.sent()
    assert not resend.plan(22.6, 0.0, False, grew=True)


def test_one_that_failed_and_then_has_no_answer_is_sent_once_more():
    core = client()
    fail(core, "a")
    core.wait(1)
    assert core.types == AGAIN
    core.committed("b", "a")
    core.wait(15)
    assert core.troubles == ["no_result"]
    assert core.of(TurnFailed) == []
    core.session()
    assert core.audio == ONE
    core.committed("c", None)
    done(core, "c", "one")
    assert core.finals == ["one"]


@pytest.mark.parametrize("end_ms", [700, 1000])
def test_a_report_has_all_that_was_said_wherever_the_server_cut(end_ms):
    """Without the silence that was asked for."""
    core = ScriptedCore(SERVER)
    core.session()
    core.live(SILENCE * ms(500) + ONE * 2)
    core.started("a", 200)
    core.stopped("a", end_ms)
    core.committed("a", None)
    fail(core, "a", wish("1h"))
    (report,) = core.of(TurnFailed)
    assert report.start_ms == 500
    assert end_ms - 30 <= report.start_ms + report.duration_ms <= end_ms


# -- turns behind it ---------------------------------------------------


def two(error: dict[str, str], **limits: int) -> ScriptedCore:
    """Two turns of ours, of which the second one failed."""
    core = client(**limits)
    core.hear(TWO, commit=True)
    core.committed("b", "a")
    fail(core, "b", error)
    core.sent = []
    return core


def test_the_time_named_for_a_later_turn_holds():
    core = two(wish("8s"))
    core.wait(2)
    done(core, "a", "one")
    assert core.finals == ["one"]
    core.wait(5.9)
    assert core.sent == []
    core.wait(1)
    assert core.audio == TWO
    core.committed("c", "b")
    done(core, "c", "two")
    assert core.finals == ["one", "two"]


def sent_in_order(core: ScriptedCore) -> None:
    """The first turn is sent a second after the failures, and the other one
    8 s after them, though the first has its final at once."""
    assert core.audio == ONE
    core.committed("c", "b")
    done(core, "c", "one")
    core.wait(6.8)
    assert core.audio == ONE
    core.wait(1.1)
    assert core.audio == ONE + TWO
    core.committed("d", "c")
    done(core, "d", "two")
    assert core.finals == ["one", "two"]


def test_it_holds_where_the_turn_before_is_sent_again():
    core = two(wish("8s"))
    fail(core, "a")
    core.wait(1)
    sent_in_order(core)
    assert core.troubles == []


def test_it_holds_in_the_next_session_as_well():
    core = two(wish("8s"))
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.wait(1)
    core.session()
    core.wait(0.1)
    sent_in_order(core)


def test_a_report_has_a_word_that_the_server_took_for_padding():
    """It is in the item, and in the text if there is one."""
    core = ScriptedCore(SERVER)
    core.session()
    core.live(SILENCE * ms(1000) + word_audio(1) + SILENCE * ms(250))
    core.live(ONE + SILENCE * ms(800))
    core.turn("a", 980, 2300)
    fail(core, "a", wish("1h"))
    (report,) = core.of(TurnFailed)
    assert report.start_ms == 1000


@pytest.mark.parametrize("time", ["80s", "1h"])
def test_a_time_that_is_too_long_is_not_waited_for_by_the_turns_behind(
    time: str,
):
    core = two(wish(time))
    fail(core, "a")
    core.wait(1)
    core.hear(THREE, commit=True)
    core.committed("c", "b")
    assert core.audio == ONE
    assert core.troubles == []
    done(core, "c", "one")
    # It is told as soon as all before it is delivered; what follows goes out.
    assert core.troubles == ["rate_limit_exceeded"]
    (given_up,) = core.of(TurnFailed)
    assert (given_up.start_ms, given_up.duration_ms) == (300, 300)
    assert core.audio == ONE + THREE
    core.committed("d", "c")
    done(core, "d", "three")
    assert core.finals == ["one", "three"]
    assert core.core.sessions.reconnects == 0


def test_nor_in_the_next_session():
    core = two(wish("80s"))
    core.hear(THREE, commit=True)
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.wait(1)
    core.session()
    core.committed("c", "b")
    done(core, "c", "one")
    assert core.of(TurnFailed) != []
    core.committed("d", "c")
    done(core, "d", "three")
    assert core.finals == ["one", "three"]


def test_the_bound_begins_when_a_turn_is_the_first_one():
    core = two(wish("25s"))
    fail(core, "a")
    core.wait(1)
    core.committed("c", "b")
    core.wait(3)
    done(core, "c", "one")
    core.wait(27)
    assert core.audio == ONE + TWO
    # It was waited for, so it must not ask for as much again.
    core.committed("d", "c")
    fail(core, "d", wish("25s"))
    assert core.troubles == ["rate_limit_exceeded"]


def test_a_turn_that_waits_gives_way_to_a_buffer_that_is_nearly_full():
    core = two(wish("25s"), max_buffer_ms=4000)
    fail(core, "a")
    core.wait(1)
    core.committed("c", "b")
    done(core, "c", "one")
    core.hear(THREE * 11)
    core.wait(3)
    assert core.troubles == ["rate_limit_exceeded"]
    assert core.of(AudioDropped) == []


def test_what_waits_behind_another_turn_gives_way_to_such_a_buffer_too():
    core = two(wish("25s"), max_buffer_ms=10_000)
    fail(core, "a")
    core.wait(1)
    core.committed("c", "b")
    core.quiet(6)
    assert core.audio == ONE
    core.quiet(3)
    assert core.audio.startswith(ONE + TWO)
    assert core.of(AudioDropped) == []


def test_times_stay_true_where_the_bound_took_what_waits():
    """It comes at once, before anything could be sent."""
    core = two(wish("25s"), max_buffer_ms=10_000)
    fail(core, "a")
    core.wait(1)
    core.committed("c", "b")
    core.sent = []
    core.hear(SILENCE * ms(12_000) + THREE, commit=True)
    done(core, "c", "one")
    assert core.of(AudioDropped) != []
    core.wait(1)
    assert core.audio.endswith(THREE)
    # All that the session's clock counts was sent.
    counted = core.link.session.audio.samples
    assert counted == len(ONE) * 2 + len(TWO) + len(core.audio)
    core.committed("d", "c")
    done(core, "d", "three")
    assert core.finals == ["one", "three"]
    assert core.of(Final)[-1].turn.start_ms == 12_600


@pytest.mark.parametrize("noise_ms", [0, 300])
def test_a_later_turn_of_the_servers_does_not_block_it_either(noise_ms: int):
    core = server()
    # Something stands out between both that its detector takes for no speech.
    noise = (word_audio(9) * 10)[: ms(noise_ms)]
    core.live(SILENCE * ms(200) + noise + SILENCE * ms(500))
    begin_ms = 1100 + len_ms(core)
    core.live(TWO + SILENCE * ms(800))
    turn(core, "b", begin_ms, "a")
    fail(core, "b", wish("80s"))
    again_ms = 1100 + len_ms(core)
    core.sent = []
    fail(core, "a")
    core.wait(1)
    core.live(THREE + SILENCE * ms(800))
    turn(core, "c", again_ms, "b")
    assert core.troubles == []
    done(core, "c", "one")
    core.quiet(2)
    assert core.troubles == ["rate_limit_exceeded"]
    assert ONE in core.audio
    assert TWO not in core.audio
    assert THREE in core.audio


def test_nor_where_the_turn_before_is_not_found_again():
    core = server()
    begin_ms = 1100 + len_ms(core)
    core.live(SILENCE * ms(200) + TWO + SILENCE * ms(800))
    turn(core, "b", begin_ms, "a")
    fail(core, "b", wish("1h"))
    fail(core, "a")
    core.wait(1)
    core.sent = []
    core.live(THREE + SILENCE * ms(800))
    for _ in range(2):
        core.wait(15)
        if core.core.active is None:
            core.session()
    assert THREE in core.audio
    # What was said before is in the report, or was sent twice for nothing.
    assert core.of(TurnFailed) != []
    assert core.core.watermark >= ms(begin_ms)


def test_a_later_turn_waits_for_its_place():
    core = client()
    core.hear(TWO, commit=True)
    core.committed("b", "a")
    done(core, "b", "two")
    assert core.finals == []
    core.sent = []
    fail(core, "a")
    assert core.finals == []
    core.wait(1)
    assert core.audio == ONE + TWO
    core.committed("c", "b")
    core.committed("d", "c")
    done(core, "c", "one")
    assert core.finals == ["one"]
    done(core, "d", "two")
    assert core.finals == ["one", "two"]


def test_late_events_of_the_items_before_double_no_word():
    core = client()
    core.hear(TWO, commit=True)
    core.committed("b", "a")
    fail(core, "a")
    core.wait(1)
    core.committed("b", "a")
    done(core, "b", "two")
    core.committed("a", None)
    done(core, "a", "one")
    core.transcribed("delta", "a", delta="one")
    assert core.finals == []
    core.committed("c", "b")
    core.committed("d", "c")
    done(core, "d", "two")
    done(core, "c", "one")
    done(core, "b", "two")
    assert core.finals == ["one", "two"]
    assert core.troubles == []
