"""Two connections at once: who takes over, and what is tried how often."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from scripted_core import (
    CREATED,
    SERVER,
    SETTINGS,
    UPDATED,
    WALL,
    ScriptedCore,
    created,
)
from sim import SILENCE, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.audio_buffer import (
    AudioBuffer,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.results import (
    AudioDropped,
    Final,
    Interim,
    ServerProblem,
    SessionLost,
    SessionReady,
    SettingsChanged,
    TurnFailed,
)

TURN = word_audio(1) + SILENCE * ms(400)
REFUSED = Fault("fatal", "invalid_api_key", "Incorrect API key")


def before_rollover(life: float = 600.0) -> ScriptedCore:
    """A session that ends in a minute, in the middle of a turn."""
    core = ScriptedCore()
    core.connect()
    core.say(created(life), UPDATED)
    core.hear(TURN, commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w0")
    core.now += life - 59
    core.core.exchange.tick(core.now)
    core.hear(TURN)
    return core


def with_spare() -> tuple[ScriptedCore, object]:
    """The same, with the next session ready; returns the old link, too."""
    core = before_rollover()
    old = core.link
    core.connect()
    core.say(CREATED, UPDATED)
    assert core.core.active is old, "it waits for the end of the turn"
    return core, old


def test_a_spare_that_stands_ready_takes_over_at_once():
    core, old = with_spare()
    spare = core.link
    core.core.exchange.closed(old, 1006, "reset", core.now)
    core.look()
    assert core.core.active is spare
    [lost] = core.of(SessionLost)
    assert lost.replaced
    assert lost.retry_ms == 0
    # What the old one had not answered is sent again, at once.
    assert "input_audio_buffer.append" in core.types
    core.hear(TURN, commit=True)
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="w1 w2")
    assert [f.turn.text for f in core.of(Final)] == ["w0", "w1 w2"]
    assert core.core.exchange.next_attempt(core.now) is None


def test_not_even_a_fatal_end_matters_where_another_session_lives():
    core, old = with_spare()
    core.core.exchange.closed(old, 3000, "invalid_request_error", core.now)
    core.look()
    assert core.core.active is core.link
    assert core.core.fatal is None


def test_the_other_way_round_the_active_one_stays():
    core, old = with_spare()
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    assert core.core.active is old
    assert core.of(SessionLost) == []


def test_a_lasting_refusal_beside_a_session_is_told_once_and_not_repeated():
    core = before_rollover()
    assert core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(REFUSED, core.now)
    core.look()
    [told] = core.of(ServerProblem)
    assert "Incorrect API key" in told.fault.message
    for number in range(40):
        core.wait(1)
        core.hear(TURN, commit=True)
        core.committed(f"i{number}", None)
        core.transcribed("completed", f"i{number}", transcript="w")
        assert core.core.exchange.next_attempt(core.now) is None
    assert len(core.of(ServerProblem)) == 1
    # The end of the session is another matter: somebody may have mended it.
    core.core.exchange.closed(core.link, 1001, "over", core.now)
    assert core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(REFUSED, core.now)
    core.look()
    assert core.core.fatal is not None
    assert len(core.of(ServerProblem)) == 1
    assert [lost.fault.code for lost in core.of(SessionLost)] == [
        "1001",
        REFUSED.code,
    ]


def test_a_change_makes_another_attempt_after_a_lasting_refusal():
    core = before_rollover()
    core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(REFUSED, core.now)
    core.core.change(core.core.settings, core.now, address="another key")
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.address == "another key"


def test_the_spares_own_back_off_is_not_reset_by_turns():
    core = before_rollover(3600.0)
    times = []
    for number in range(400):
        if core.core.exchange.next_attempt(core.now):
            times.append(core.now)
            core.core.exchange.failed(Fault("retry", "429", "no"), core.now)
        core.wait(0.1)
        if number % 10 == 0:
            core.hear(TURN, commit=True)
            core.committed(f"i{number}", None)
            core.transcribed("completed", f"i{number}", transcript="w")
    gaps = [b - a for a, b in pairwise(times)]
    assert len(times) < 12
    assert gaps[-1] > 2 * gaps[0]


def refuse(core: ScriptedCore, wish: float = 0.0) -> None:
    """The attempt that is due fails for a reason that passes."""
    assert core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(Fault("retry", "429", "busy", wish), core.now)
    core.look()


def next_after(core: ScriptedCore) -> float:
    """How many seconds pass until a connection is asked for."""
    due_at = core.core.sessions.due_at()
    assert due_at is not None
    if due_at > core.now:
        assert core.core.exchange.next_attempt(due_at - 0.001) is None
    return due_at - core.now


def end(core: ScriptedCore) -> None:
    core.core.exchange.closed(core.link, 1001, "", core.now)


def leave(core: ScriptedCore) -> None:
    """A notice is lost, so the session is left for another."""
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1")
    core.committed("d", "c")


def stumble(core: ScriptedCore) -> None:
    core.core.exchange.recover(Fault("retry", "internal", "oh"), core.now)


@pytest.mark.parametrize("cut", [end, leave, stumble])
def test_a_wish_of_the_server_is_kept_for_the_spare_as_well(cut):
    """While the session lives, and where it ends before."""
    core = before_rollover()
    refuse(core, 30.0)
    assert 30 <= next_after(core) <= 37.5
    core.wait(5)
    cut(core)
    core.look()
    assert core.core.active is None
    wait = next_after(core)
    assert 25 <= wait <= 32.5
    if cut is not leave:
        [lost] = core.of(SessionLost)
        assert lost.retry_ms == round(wait * 1000)
    # It is tried again by then, and the outage backs off.
    core.now += wait
    refuse(core)
    [*_, lost] = core.of(SessionLost)
    assert lost.fault.code == "429"
    assert 0 < lost.retry_ms <= 1000


@pytest.mark.parametrize("wish", [0.0, 5.0, 40.0])
def test_a_spare_that_comes_in_time_is_nobodys_business(wish):
    core = before_rollover()
    refuse(core, wish)
    core.now += next_after(core)
    core.session()
    assert core.of(ServerProblem) == []


def test_an_outage_that_is_ahead_is_told_once_with_its_time():
    core = before_rollover()
    core.wait(20)
    refuse(core, 2.0)
    assert core.of(ServerProblem) == []
    core.now += next_after(core)
    left = 39 - (core.now - 661)
    refuse(core, 60.0)
    wait = next_after(core)
    [told] = core.of(ServerProblem)
    assert told.fault.code == "429"
    assert told.fault.message == (
        f"this session ends in {left:.0f} s,"
        f" the next is tried in {wait:.0f} s: busy"
    )
    core.wait(left)
    end(core)
    core.look()
    [lost] = core.of(SessionLost)
    assert lost.fault.code == "1001", "the outage, not the old refusal"
    assert lost.retry_ms == round((wait - left) * 1000)
    core.now += next_after(core)
    core.session()
    assert len(core.of(ServerProblem)) == 1


def test_a_session_that_lives_longer_than_it_said_announces_no_end():
    core = before_rollover()
    core.wait(60)
    refuse(core, 60.0)
    assert core.of(ServerProblem) == []


def test_the_outage_goes_on_where_the_spares_back_off_was():
    core = before_rollover()
    for _ in range(5):
        refuse(core)
        core.now += next_after(core)
    refuse(core)
    wait = next_after(core)
    assert wait >= 4
    core.wait(1)
    end(core)
    core.look()
    assert next_after(core) == pytest.approx(wait - 1)
    core.now += wait - 1
    refuse(core)
    assert next_after(core) >= 5


def test_a_session_that_followed_ends_the_spares_back_off():
    core = before_rollover()
    core.hear(b"", commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1")
    for _ in range(5):
        refuse(core)
        core.now += next_after(core)
    core.connect()
    core.say(created(600), UPDATED)
    assert core.core.active is core.link
    core.wait(541)
    refuse(core)
    assert next_after(core) <= 1.25


@pytest.mark.parametrize("wish", [0.0, 30.0])
def test_a_new_key_is_tried_at_once_whatever_was_wished(wish):
    core = before_rollover()
    refuse(core, wish)
    core.core.change(core.core.settings, core.now, address="another key")
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.address == "another key"


def test_a_new_key_is_tried_at_once_in_an_outage_as_well():
    core = before_rollover()
    refuse(core, 30.0)
    end(core)
    core.core.change(core.core.settings, core.now, address="another key")
    assert core.core.exchange.next_attempt(core.now)


def test_a_new_key_waits_for_no_attempt_under_way():
    core = before_rollover()
    old = core.core.exchange.next_attempt(core.now)
    core.core.change(core.core.settings, core.now, address="another key")
    assert old.over
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert attempt.address == "another key"


@pytest.mark.parametrize("address", [None, "elsewhere"])
def test_what_another_address_wishes_is_no_matter_of_this_one(address):
    core = before_rollover()
    refuse(core)
    settings = replace(SETTINGS, model="x")
    core.core.change(settings, core.now, address=address)
    refuse(core, 30.0)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is not None
    core.core.exchange.tick(core.now)
    assert (next_after(core) >= 30) == (address is None)


def test_leaving_a_confused_session_for_a_spare_dials_no_third():
    core, old = with_spare()
    spare, core.link = core.link, old
    core.hear(TURN, commit=True)
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="w1")
    # The notice of "c" was lost.
    core.committed("d", "c")
    assert core.core.active is spare
    assert core.core.exchange.next_attempt(core.now) is None


def test_address_and_settings_change_together():
    """Also where nobody has taken the answer yet."""
    core = ScriptedCore()
    core.core.in_use.readdress("old")
    core.session()
    settings = replace(SETTINGS, model="whisper-1")
    core.core.change(settings, core.now, address="new")
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert (attempt.address, attempt.settings) == ("new", settings)
    core.link = core.core.exchange.opened(core.now, WALL)
    for event in CREATED, UPDATED:
        core.say(event)
    core.core.exchange.closed(core.link, 1006, "", core.now)
    attempt = core.core.exchange.next_attempt(core.now)
    assert attempt is not None
    assert (attempt.address, attempt.settings) == ("new", settings)


def test_a_refused_change_leaves_both_as_they_were():
    core = ScriptedCore()
    core.core.in_use.readdress("old")
    core.session()
    core.core.change(replace(SETTINGS, model="x"), core.now, address="new")
    core.core.exchange.next_attempt(core.now)
    core.core.exchange.failed(REFUSED, core.now)
    core.look()
    assert core.of(SettingsChanged)[0].refused is REFUSED
    assert (core.core.address, core.core.settings) == ("old", SETTINGS)
    assert core.core.fatal is None


def test_a_change_of_nothing_says_so_at_once_and_takes_the_address():
    class Address:
        """Equal to any other, as two that dial the same."""

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Address)

        __hash__ = None  # type: ignore[assignment]

    core = ScriptedCore()
    first, second = Address(), Address()
    core.core.in_use.readdress(first)
    core.core.change(SETTINGS, core.now, address=second)
    core.look()
    assert core.of(SettingsChanged) == [SettingsChanged(None, "at once")]
    assert core.core.address is second


@pytest.mark.parametrize("hurry", [True, False])
def test_who_waits_hurries_the_change_before(hurry):
    core = ScriptedCore()
    core.session()
    core.hear(TURN)
    core.sent.clear()
    core.core.change(replace(SETTINGS, prompt="x"), core.now)
    core.look()
    assert "session.update" not in core.types
    if hurry:
        core.core.hurry(core.now)
        core.look()
    assert ("session.update" in core.types) == hurry


def test_what_a_change_may_take_is_a_bound():
    core = ScriptedCore()
    core.session()
    core.hear(TURN)
    core.core.change(replace(SETTINGS, prompt="x"), core.now, within_s=3.0)
    core.wait(3.1)
    [answer] = core.of(SettingsChanged)
    assert answer.refused is not None


def test_the_end_reports_what_is_not_delivered_once():
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.hear(TURN)
    for _ in range(2):
        core.core.stop(core.now)
        core.look()
    [dropped] = core.of(AudioDropped)
    assert dropped.cause == "stopped"
    assert dropped.start_ms == 0
    assert dropped.duration_ms == 2 * len(TURN) // 8


def test_the_end_in_silence_reports_nothing():
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="w0")
    core.hear(SILENCE * ms(700))
    core.core.stop(core.now)
    core.look()
    assert core.of(AudioDropped) == []


def test_another_owner_of_turns_takes_effect_between_turns_or_by_a_session():
    vad = {"type": "server_vad", "silence_duration_ms": 500}
    for spoken in (True, False):
        core = ScriptedCore(replace(SETTINGS, turn_detection=vad))
        core.session()
        core.hear(TURN if spoken else SILENCE * ms(400))
        core.sent.clear()
        core.core.change(SETTINGS, core.now)
        core.look()
        core.wait(5.1)
        assert ("session.update" in core.types) == (not spoken)
        assert (core.core.exchange.next_attempt(core.now) is not None) == spoken


def test_readiness_is_told_once_for_each_session():
    core, old = with_spare()
    core.core.exchange.closed(old, 1006, "reset", core.now)
    core.look()
    assert len(core.of(SessionReady)) == 2


def test_what_comes_after_the_end_is_not_delivered_any_more():
    """It was reported as dropped, and is not both."""
    core = ScriptedCore()
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    core.core.stop(core.now)
    core.transcribed("completed", "a", transcript="w1")
    assert core.of(Final) == []
    [dropped] = core.of(AudioDropped)
    assert (dropped.start_ms, dropped.duration_ms) == (0, len(TURN) // 8)


def test_a_session_that_gets_ready_after_the_end_is_not_used():
    core = ScriptedCore()
    core.connect()
    core.hear(TURN, commit=True)
    core.core.stop(core.now)
    core.say(CREATED, UPDATED)
    assert core.of(SessionReady) == []
    assert "input_audio_buffer.append" not in core.types


def test_speech_that_nobody_committed_is_reported_at_the_end():
    core = ScriptedCore()
    core.session()
    core.hear(TURN)
    core.core.stop(core.now)
    core.look()
    [dropped] = core.of(AudioDropped)
    assert (dropped.start_ms, dropped.duration_ms) == (0, len(TURN) // 8)


def test_a_start_that_was_shown_holds_also_where_a_turn_before_it_fails():
    """The first session was silent about what was said before."""
    core = ScriptedCore(SERVER)
    core.session()
    core.live(word_audio(1) * 10)
    core.quiet(2)
    core.live(word_audio(2) * 40)
    core.started("a", 2000)
    core.transcribed("delta", "a", delta="two")
    core.core.exchange.closed(core.link, 1011, "", core.now)
    refused = {"type": "invalid_request_error", "message": "no"}
    for item in ("b", "c"):
        core.wait(7)
        core.session()
        core.started(item, 0)
        core.stopped(item, 900)
        core.committed(item, None)
        core.transcribed("failed", item, error=refused)
    assert len(core.of(TurnFailed)) == 1
    core.started("d", 2100)
    core.transcribed("delta", "d", delta="two")
    first, second = (shown.turn.start_ms for shown in core.of(Interim))
    assert first == second == 2300


def test_a_final_for_which_there_was_no_memory_is_told_once(monkeypatch):
    """Whichever of its looks at the audio had none."""
    whole = AudioBuffer.read
    for good in range(10):
        core = ScriptedCore(SERVER)
        core.session()
        core.live(word_audio(1) * 40 + SILENCE * ms(800))
        core.turn("a", 0, 1700)
        left = [True] * good + [False]

        def read(
            held: AudioBuffer, start: int, stop: int, left: list[bool] = left
        ) -> bytes:
            if left and not left.pop(0):
                raise MemoryError
            return whole(held, start, stop)

        monkeypatch.setattr(AudioBuffer, "read", read)
        try:
            core.transcribed("completed", "a", transcript="one")
        except MemoryError:
            stumble(core)
            core.look()
            core.wait(2)
            core.session()
            core.turn("a", 0, 1700)
            core.transcribed("completed", "a", transcript="one")
        monkeypatch.undo()
        assert core.finals == ["one"], good
    # The last time nothing failed.
    assert False in left
