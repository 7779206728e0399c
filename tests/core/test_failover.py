"""A call with several endpoints: which is used, and that no word is lost."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from scripted_core import (
    COMMIT,
    CREATED,
    RETRY,
    SERVER,
    SETTINGS,
    UPDATED,
    WALL,
    ScriptedCore,
)
from sim import SILENCE, find_speech, ms, word_audio
from ten_packages.extension.openai_asr_python.realtime.endpoints import (
    Endpoint,
)
from ten_packages.extension.openai_asr_python.realtime.failover import (
    SWITCHED,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    ServerProblem,
    SessionLost,
    SettingsChanged,
    TurnFailed,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

TURN = word_audio(1) * 10 + SILENCE * ms(700)
KEY = Fault("fatal", "invalid_api_key", "the key is refused")
BUSY = {"type": "server_error", "message": "The server is busy."}
QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota"}


def named(settings: SessionSettings, name: str, model: str) -> SessionSettings:
    return replace(settings, endpoint=name, model=model)


def several(
    count: int = 2,
    first: SessionSettings = SETTINGS,
    rest: SessionSettings = SETTINGS,
) -> tuple[Endpoint, list[Endpoint]]:
    names = [f"fallbacks[{number}]" for number in range(count - 1)]
    others = [Endpoint(named(rest, n, "whisper-1"), n) for n in names]
    return Endpoint(named(first, "primary", "best"), "primary"), others


class Call(ScriptedCore):
    """A scripted call with ``count`` endpoints."""

    def __init__(
        self,
        count: int = 2,
        first: SessionSettings = SETTINGS,
        rest: SessionSettings = SETTINGS,
        **limits: int,
    ) -> None:
        super().__init__(**limits)
        primary, others = several(count, first, rest)
        self.core = Transcription(
            primary.settings,
            Limits(**limits),
            protocol="auto",
            find_speech=find_speech,
            rng=random.Random(1),
            address=primary.address,
            fallbacks=others,
        )
        self.core.start(self.now)

    def dial(self) -> str:
        """The attempt that is due; returns where it goes."""
        attempt = self.core.exchange.next_attempt(self.now)
        assert attempt is not None
        self.attempt = attempt
        return str(attempt.address)

    def refuse(self, fault: Fault = RETRY) -> str:
        """The attempt that is due fails; returns where it went."""
        place = self.dial()
        self.core.exchange.failed(fault, self.now)
        self.look()
        return place

    def in_vain(self, seconds: float) -> list[str]:
        """Where it dials for so long, while nothing answers."""
        until, places = self.now + seconds, []
        while self.now < until:
            before = self.now
            self.wait(until - self.now)
            due = self.core.sessions.due_at()
            if due is not None and due <= until:
                self.now = max(before, due)
                places.append(self.refuse())
        return places

    @property
    def used(self) -> str:
        return str(self.core.address)

    @property
    def switches(self) -> list[str]:
        return [
            result.fault.message
            for result in self.of(ServerProblem)
            if result.fault.code == SWITCHED
        ]


def test_what_ends_the_sessions_of_all_is_not_the_turn():
    """One endpoint's ends count for that one only."""
    core = Call(3)
    core.session()
    core.hear(TURN, commit=True)
    places = []
    for _ in range(8):
        core.core.exchange.closed(core.link, 1006, "", core.now)
        while (due := core.core.sessions.due_at() or math.inf) > core.now:
            core.wait(min(due - core.now, 0.1))
        core.session()
        places.append(core.used)
    assert len(set(places)) == 3
    assert core.of(TurnFailed) == []
    core.wait(3)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert core.finals == ["one"]


def say(core: Call, item: str, text: str) -> None:
    core.hear(TURN, commit=True)
    core.committed(item, None)
    core.transcribed("completed", item, transcript=text)


def test_where_no_session_is_ready_in_time_another_endpoint_is_used():
    core = Call()
    places = core.in_vain(3.9)
    assert set(places) == {"primary"}
    core.hear(TURN, commit=True)
    core.wait(0.2)
    assert core.used == "fallbacks[0]"
    core.session()
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    (final,) = core.of(Final)
    assert final.turn.endpoint == "fallbacks[0]"
    assert (final.turn.model, final.turn.start_ms) == ("whisper-1", 0)
    (text,) = core.switches
    assert "primary (best)" in text
    assert "fallbacks[0] (whisper-1)" in text
    assert core.core.fatal is None


def test_an_outage_of_all_is_told_as_one():
    core = Call()
    core.in_vain(30)
    first, *others = core.switches
    vain = "all were tried, none serves; "
    assert first.startswith("fallbacks[0] (whisper-1) takes over from primary")
    assert others
    assert all(text.startswith(vain) for text in others)
    while (core.core.sessions.due_at() or math.inf) > core.now:
        core.wait(0.1)
    core.session()
    say(core, "a", "one")
    core.core.exchange.closed(core.link, 1006, "", core.now)
    before = len(core.switches)
    core.in_vain(30)
    # Had they no session at all, the first would be told like the rest.
    assert not core.switches[before].startswith(vain)
    assert core.switches[-1].startswith(vain)


def test_an_attempt_that_hangs_holds_nobody_up():
    core = Call()
    core.dial()
    hanging = core.attempt
    core.wait(4)
    assert hanging.over
    assert core.dial() == "fallbacks[0]"
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.look()


def test_an_endpoint_that_refuses_for_good_is_left_at_once():
    core = Call(3)
    assert core.refuse(KEY) == "primary"
    assert core.refuse(KEY) == "fallbacks[0]"
    core.session()
    assert core.used == "fallbacks[1]"
    assert core.of(SessionLost) == []
    assert len(core.switches) == 2


def test_it_is_fatal_where_all_refuse():
    core = Call()
    core.refuse(KEY)
    assert core.core.fatal is None
    core.refuse(KEY)
    assert core.core.fatal is not None
    (lost,) = core.of(SessionLost)
    assert lost.fault == KEY


def test_one_that_is_only_out_keeps_the_call_alive():
    core = Call()
    core.refuse(KEY)
    places = core.in_vain(200)
    assert core.core.fatal is None
    # The first one may have been mended meanwhile.
    assert {"primary", "fallbacks[0]"} == set(places)


def test_a_service_that_gives_no_answer_to_a_file_is_left_at_once():
    """As one that is silent in a session: each time costs that of a turn."""
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    late = {"type": "server_error", "code": "timeout", "message": "late"}
    core.transcribed("failed", "a", error=late)
    assert core.used == "fallbacks[0]"
    core.session()
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    assert core.finals == ["one"]


def test_turns_that_fail_in_a_row_go_elsewhere():
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    last = None
    for item in "abc":
        core.wait(3)
        core.committed(item, last)
        last = item
        core.transcribed("failed", item, error=BUSY)
    assert core.used == "fallbacks[0]"
    core.session()
    assert core.types.count(COMMIT) == 1
    core.committed("d", None)
    core.transcribed("completed", "d", transcript="one")
    assert core.finals == ["one"]


def test_a_quota_that_is_used_up_is_no_matter_of_time():
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    core.transcribed("failed", "a", error=QUOTA)
    core.session()
    assert core.used == "fallbacks[0]"
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="one")
    assert core.finals == ["one"]
    assert core.troubles == [SWITCHED]


@pytest.mark.parametrize(("seconds", "leaves"), [(3, False), (5, True)])
def test_a_service_that_is_to_be_asked_much_later_is_none(seconds, leaves):
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    text = f"Rate limit reached. Please try again in {seconds}s."
    core.transcribed(
        "failed", "a", error={"type": "rate_limit_error", "message": text}
    )
    assert bool(core.switches) == leaves
    assert core.of(TurnFailed) == []


def test_and_is_not_asked_before():
    core = Call(fallback_retry_ms=10_000)
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    text = "Rate limit reached. Please try again in 60s."
    core.transcribed(
        "failed", "a", error={"type": "rate_limit_error", "message": text}
    )
    began = core.now
    core.session()
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="one")
    assert core.finals == ["one"]
    core.wait(59)
    assert core.core.sessions.due_at() is None
    core.wait(17)
    assert core.dial() == "primary"
    assert core.now - began >= 60


def test_a_turn_that_fails_everywhere_is_reported():
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    number, until = 0, core.now + 60
    while not core.of(SessionLost) and core.now < until:
        if core.core.sessions.due_at() is not None:
            core.session()
        turns = core.core.active.session.turns if core.core.active else None
        if turns is not None and turns.commits:
            core.committed(f"i{number}", None)
            core.transcribed("failed", f"i{number}", error=BUSY)
            number += 1
        core.wait(1)
        if "error" in core.troubles or "server_error" in core.troubles:
            break
    assert "server_error" in core.troubles
    assert len(core.switches) == 1


def test_sessions_that_deliver_nothing_are_no_service():
    core = Call()
    core.hear(TURN, commit=True)
    for _ in range(2):
        core.session()
        core.core.exchange.closed(core.link, 1011, "", core.now)
        core.wait(2)
    assert core.used == "fallbacks[0]"


def test_a_service_that_gives_no_result_is_left_with_the_first_turn():
    """It would give the turn up with the second session."""
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    core.committed("a", None)
    core.wait(15.1)
    assert core.used == "fallbacks[0]"
    core.session()
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="one")
    assert core.finals == ["one"]
    assert core.troubles == ["no_result", SWITCHED]


def test_where_none_gives_a_result_the_turn_is_reported():
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    until, number = core.now + 120, 0
    while not core.of(TurnFailed) and core.now < until:
        core.wait(1)
        if core.core.sessions.due_at() is not None:
            core.session()
            core.committed(f"i{number}", None)
            number += 1
    assert len(core.of(TurnFailed)) == 1
    # The next turn may fare better with the first one.
    assert core.used == "primary"
    assert len(core.switches) == 2


def test_a_detector_that_says_nothing_is_compared_with_another_service_s():
    core = Call(first=SERVER)
    core.session()
    core.quiet(1)
    core.live(word_audio(1) * 10)
    core.quiet(12)
    assert core.used == "fallbacks[0]"
    core.session()
    assert core.audio


def with_first_one_ready(core: Call) -> Link:
    """A turn is under way with the fallback, and a session with the first one
    is there; returns that with the fallback."""
    core.refuse(KEY)
    core.session()
    say(core, "a", "one")
    core.wait(30)
    assert core.core.sessions.due_at() is None
    core.wait(31)
    fallback = core.link
    core.hear(TURN, commit=True)
    core.committed("b", "a")
    assert core.dial() == "primary"
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.look()
    core.say(
        {"type": "session.created", "session": {"id": "s", "audio": {}}},
        {"type": "session.updated", "session": {}},
    )
    assert core.used == "fallbacks[0]"
    return fallback


def test_the_first_one_is_taken_back_in_a_pause():
    core = Call()
    fallback = with_first_one_ready(core)
    link, core.link = core.link, fallback
    core.transcribed("completed", "b", transcript="two")
    assert core.used == "primary"
    core.link = link
    say(core, "c", "three")
    assert core.finals == ["one", "two", "three"]
    finals = core.of(Final)
    assert [f.turn.endpoint for f in finals] == [
        "fallbacks[0]",
        "fallbacks[0]",
        "primary",
    ]
    assert [f.turn.start_ms for f in finals] == [0, 1000, 2000]
    assert "is back" in core.switches[-1]


@pytest.mark.parametrize("address", ["primary", "new"])
def test_a_change_finds_a_session_that_is_to_take_over(address):
    """It stays where it is still right, and goes where it is not."""
    core = Call()
    fallback = with_first_one_ready(core)
    primary, others = several()
    core.core.change(
        primary.settings, core.now, address=address, fallbacks=others
    )
    core.look()
    assert core.of(SettingsChanged) == [SettingsChanged(None, "at once")]
    core.link = fallback
    core.transcribed("completed", "b", transcript="two")
    if address == "primary":
        assert core.used == "primary"
        assert "is back" in core.switches[-1]
        return
    assert core.used == "fallbacks[0]"
    assert core.core.active is fallback
    core.wait(61)
    assert core.dial() == "new"


def test_a_connection_to_a_first_one_that_was_replaced_is_broken_off():
    core = Call()
    core.refuse(KEY)
    core.session()
    core.wait(61)
    assert core.dial() == "primary"
    primary, others = several()
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.core.change(
        primary.settings, core.now, address="new", fallbacks=others
    )
    core.look()
    assert core.of(SettingsChanged) == [SettingsChanged(None, "at once")]
    assert core.attempt.over
    assert core.dial() == "fallbacks[0]"


def test_a_change_may_lead_to_the_one_that_is_to_take_over():
    """It has no fallbacks any more, and takes a session of its own."""
    core = Call()
    with_first_one_ready(core)
    primary, _ = several()
    core.core.change(primary.settings, core.now, address=primary.address)
    core.look()
    assert core.dial() == "primary"
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.say(
        {"type": "session.created", "session": {"id": "s", "audio": {}}},
        {"type": "session.updated", "session": {}},
    )
    core.wait(10)
    assert core.of(SettingsChanged) == [SettingsChanged(None, "new session")]
    assert core.used == "primary"
    # The turn that was under way is sent again.
    core.committed("c", None)
    core.transcribed("completed", "c", transcript="two")
    assert core.finals == ["one", "two"]


def test_where_it_is_not_back_that_costs_nothing():
    core = Call()
    core.refuse(KEY)
    core.session()
    for _ in range(5):
        core.wait(61)
        assert core.refuse(KEY) == "primary"
    assert core.used == "fallbacks[0]"
    assert core.core.active is core.link
    assert core.of(SessionLost) == []
    assert len(core.switches) == 1


def test_one_that_comes_back_and_delivers_nothing_is_tried_more_rarely():
    core = Call()
    core.refuse(KEY)
    core.session()
    waits = []
    for number in range(5):
        say(core, f"a{number}", "one")
        since = core.now
        while core.core.sessions.due_at() is None:
            core.wait(10)
        waits.append(core.now - since)
        core.session()
        assert core.used == "primary"
        # It takes turns, and fails at them.
        core.hear(TURN, commit=True)
        core.committed(f"b{number}", None)
        core.transcribed("failed", f"b{number}", error=QUOTA)
        core.session()
        core.committed(f"c{number}", None)
        core.transcribed("completed", f"c{number}", transcript="two")
    assert waits == [60, 120, 240, 480, 480]
    assert core.finals == ["one", "two"] * 5


def test_the_local_detector_s_word_is_kept_for_whom_it_counts():
    """The first one ends turns by itself, the other one cannot."""
    core = Call(first=SERVER)
    core.core.detect_locally(True)
    core.session()
    core.core.speech_started(0)
    core.live(word_audio(1) * 10)
    core.core.speech_ended(ms(300), ms(800))
    core.live(SILENCE * ms(700))
    core.core.speech_started(ms(1000))
    core.live(word_audio(2) * 10)
    core.core.speech_ended(ms(1300), ms(1800))
    core.live(SILENCE * ms(700))
    # No commit of ours: it has a detector.
    assert COMMIT not in core.types
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    core.refuse(KEY)
    core.session()
    assert core.used == "fallbacks[0]"
    assert core.types.count(COMMIT) == 2
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.committed("b", "a")
    core.transcribed("completed", "b", transcript="two")
    assert core.finals == ["one", "two"]
    assert [f.turn.start_ms for f in core.of(Final)] == [0, 1000]


def test_other_endpoints_can_be_put_in_force():
    core = Call()
    core.refuse(KEY)
    core.session()
    primary, others = several()
    # Another key for the first one, and nothing else.
    core.core.change(
        primary.settings, core.now, address="new", fallbacks=others
    )
    core.look()
    assert core.of(SettingsChanged) == [SettingsChanged(None, "at once")]
    assert core.dial() == "new"


def test_what_takes_the_place_of_the_endpoint_in_use_is_used():
    """Also while the first one is out."""
    core = Call()
    core.refuse(KEY)
    core.session()
    primary, (other,) = several()
    new = Endpoint(other.settings, "new")
    core.core.change(
        primary.settings, core.now, address=primary.address, fallbacks=[new]
    )
    core.look()
    assert core.dial() == "new"
    core.link = core.core.exchange.opened(core.now, 1.7e9)
    core.look()
    core.say(
        {"type": "session.created", "session": {"id": "s", "audio": {}}},
        {"type": "session.updated", "session": {}},
    )
    [answer] = core.of(SettingsChanged)
    assert answer.refused is None
    # And one that only moved is kept.
    core.core.change(
        primary.settings,
        core.now,
        address=primary.address,
        fallbacks=[other, new],
    )
    core.look()
    assert core.of(SettingsChanged)[-1] == SettingsChanged(None, "at once")
    assert core.used == "new"


def test_one_that_is_back_is_found_soon_however_long_all_were_out():
    core = Call(4)
    dialed: dict[str, list[float]] = {}
    for _ in range(300):
        for place in core.in_vain(1):
            dialed.setdefault(place, []).append(core.now)
    assert len(dialed) == 4
    for times in dialed.values():
        # A round of 8 s each, and a look at the clock each second.
        assert max(b - a for a, b in pairwise(times)) <= 4 * 8 + 1


def test_a_change_goes_to_the_endpoint_that_is_used():
    core = Call()
    core.refuse(KEY)
    core.session()
    primary, (other,) = several()
    settings = replace(other.settings, prompt="new")
    core.core.change(
        replace(primary.settings, prompt="new"),
        core.now,
        address=primary.address,
        fallbacks=[Endpoint(settings, other.address)],
    )
    core.wait(0.1)
    assert core.types[-1] == "session.update"
    core.say({"type": "session.updated", "session": {}})
    assert core.of(SettingsChanged) == [SettingsChanged(None, "next turn")]
    assert core.used == "fallbacks[0]"


def test_one_endpoint_alone_is_as_before():
    core = Call(1)
    places = core.in_vain(100)
    assert set(places) == {"primary"}
    assert core.switches == []


def test_the_time_that_an_endpoint_named_holds_when_it_is_used_again():
    core = Call(fallback_after_ms=1000)
    core.refuse(Fault("retry", "503", "busy", 30.0))
    places = core.in_vain(28)
    assert set(places) == {"fallbacks[0]"}
    assert len(core.switches) > 2
    assert "primary" in core.in_vain(60)


def test_the_first_one_is_not_tried_again_before_the_time_that_it_named():
    core = Call(fallback_after_ms=1000, fallback_retry_ms=5000)
    core.refuse(Fault("retry", "503", "busy", 30.0))
    core.wait(1.1)
    core.session()
    assert core.used == "fallbacks[0]"
    core.wait(20)
    assert core.core.sessions.due_at() is None
    core.wait(20)
    assert core.dial() == "primary"


def failing(core: Call, items: str, last: str | None = None) -> None:
    """The turn that is sent fails, as often as that."""
    for item in items:
        core.wait(3)
        core.committed(item, last)
        last = item
        core.transcribed("failed", item, error=BUSY)


@pytest.mark.parametrize("first_as_files", [False, True])
def test_a_turn_has_the_time_of_the_endpoint_that_has_it(first_as_files):
    """A file may take longer, whatever other endpoints there are."""
    first = replace(SETTINGS, as_files=first_as_files)
    rest = replace(SETTINGS, as_files=not first_as_files)
    core = Call(first=first, rest=rest, file_timeout_ms=40_000)

    def unanswered(item: str) -> float:
        """The turn that was sent has no text; until when it is waited for."""
        core.committed(item, None)
        link, begun = core.link, core.now
        while core.core.sessions.active is link:
            core.wait(0.5)
        return core.now - begun

    core.session()
    core.hear(TURN, commit=True)
    times = {first_as_files: unanswered("a")}
    core.session()
    assert core.used == "fallbacks[0]"
    times[not first_as_files] = unanswered("b")
    assert times[False] == pytest.approx(15, abs=1)
    assert times[True] == pytest.approx(40, abs=1)


def test_an_endpoint_without_a_session_did_not_try_the_turn():
    core = Call(fallback_after_ms=1000, turn_timeout_ms=60_000)
    core.session()
    core.hear(TURN, commit=True)
    failing(core, "abc")
    assert core.refuse() == "fallbacks[0]"
    core.in_vain(1)
    core.session()
    assert core.used == "primary"
    failing(core, "def")
    # By now it may serve.
    core.session()
    assert core.used == "fallbacks[0]"
    core.committed("g", None)
    core.transcribed("completed", "g", transcript="one")
    assert core.finals == ["one"]


@pytest.mark.parametrize("answer", ["failed", "none"])
@pytest.mark.parametrize("fallback", ["down", "dies"])
def test_a_turn_at_which_one_fails_is_over_also_where_no_other_serves(
    fallback, answer
):
    """Endpoints take over from one another for as long as they like; the turn
    has its time with each of them once."""
    core = Call()
    core.hear(TURN, commit=True)
    begun, number = core.now, 0
    while not core.of(TurnFailed):
        assert core.now < begun + 90, core.switches
        if core.core.sessions.active is None:
            due = core.core.sessions.due_at()
            if due is None or due > core.now:
                core.wait(0.5)
            elif core.core.in_use.index and fallback == "down":
                core.refuse()
            else:
                core.session()
        elif core.core.in_use.index:
            core.core.exchange.closed(core.link, 1013, "", core.now)
            core.look()
        else:
            core.committed(f"i{number}", None)
            if answer == "failed":
                core.transcribed("failed", f"i{number}", error=BUSY)
            number += 1
            core.wait(16 if answer == "none" else 1)
    (failed,) = core.of(TurnFailed)
    assert failed.start_ms == 0
    assert number > 1


def test_an_endpoint_that_refuses_did_not_try_the_turn_either():
    core = Call(
        fallback_retry_ms=5000, fallback_after_ms=1000, turn_timeout_ms=60_000
    )
    core.session()
    core.hear(TURN, commit=True)
    failing(core, "abc")
    assert core.refuse(KEY) == "fallbacks[0]"
    core.session()
    assert core.used == "primary"
    failing(core, "def")
    # By now it may have been mended.
    core.session()
    assert core.used == "fallbacks[0]"


def test_another_turn_is_tried_by_all_again():
    core = Call()
    core.session()
    core.hear(TURN, commit=True)
    failing(core, "abc")
    core.session()
    assert core.used == "fallbacks[0]"
    number, last = 0, None
    while "server_error" not in core.troubles:
        # Until its 15 s are over.
        core.committed(f"x{number}", last)
        last = f"x{number}"
        core.transcribed("failed", last, error=BUSY)
        core.wait(3)
        number += 1
        assert number < 9
    core.hear(TURN, commit=True)
    core.committed("y", last)
    core.transcribed("failed", "y", error=BUSY)
    core.session()
    assert core.used == "primary"
    core.committed("z", None)
    core.transcribed("completed", "z", transcript="two")
    assert core.finals == ["two"]


def test_a_turn_that_a_service_ended_in_a_pause_is_no_part_of_the_next():
    """The local detector hears one turn there; who comes next begins behind
    the pause."""
    core = Call(first=SERVER)
    core.core.detect_locally(True)
    core.session()
    core.core.speech_started(0)
    core.live(word_audio(1) * 10 + SILENCE * ms(300) + word_audio(2) * 10)
    core.core.speech_ended(ms(900), ms(1400))
    core.live(SILENCE * ms(600))
    core.started("a", 0)
    core.stopped("a", 400)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.core.exchange.closed(core.link, 1006, "", core.now)
    core.look()
    core.refuse(KEY)
    core.session()
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="two")
    assert core.finals == ["one", "two"]
    assert core.of(Final)[1].turn.start_ms == 600


def test_what_another_endpoint_delivered_is_no_progress_of_this_one():
    """Else the back-off of one that is out would begin anew each time."""
    core = Call()
    places = core.in_vain(3.9)
    tried = len(places)
    assert set(places) == {"primary"}
    core.wait(0.2)
    assert core.used == "fallbacks[0]"
    core.session()
    say(core, "a", "one")
    assert core.finals == ["one"]
    retries = core.core.in_use.known(core.core.in_use.endpoints[0]).retries
    assert retries.attempt == tried
    # The fallback is gone for good: the first one is tried again.
    core.core.exchange.closed(core.link, 3000, "", core.now)
    core.look()
    assert core.used == "primary"
    core.session()
    # Too little to say that it is back.
    core.hear(word_audio(2) * 4, commit=True)
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="two")
    assert core.finals == ["one", "two"]
    core.core.exchange.closed(core.link, 1006, "reset", core.now)
    assert retries.attempt > tried


def test_a_turn_that_is_refused_is_no_refusal_of_its_endpoint():
    core = Call()
    core.session()
    say(core, "z", "zero")
    core.hear(TURN, commit=True)
    core.committed("a", "z")
    error = {"type": "invalid_request_error", "code": "audio_unintelligible"}
    core.transcribed("failed", "a", error=error)
    core.session()
    core.committed("b", None)
    core.transcribed("completed", "b", transcript="one")
    assert core.used == "fallbacks[0]"
    core.wait(5)
    core.core.exchange.closed(
        core.link, 3000, "invalid_request_error.invalid_api_key", core.now
    )
    assert core.core.fatal is None
    assert core.dial() == "primary"


@pytest.mark.parametrize("how", ["ends", "ours", "left"])
def test_who_served_is_dialed_though_the_first_one_hangs(how):
    core = Call()
    core.refuse(KEY)
    core.session()
    say(core, "z", "zero")
    while core.core.sessions.due_at() is None:
        core.wait(1)
    assert core.dial() == "primary"
    first = core.attempt
    core.wait(1)
    if how == "ours":
        core.core.exchange.recover(RETRY, core.now)
    elif how == "ends":
        core.core.exchange.closed(core.link, 1006, "reset", core.now)
    else:
        # The notice of "b" was lost.
        core.hear(TURN, commit=True)
        core.hear(TURN, commit=True)
        core.committed("c", "b")
        core.transcribed("completed", "c", transcript="three")
        while core.core.active is not None:
            core.wait(0.1)
    core.look()
    assert first.over
    assert core.dial() == "fallbacks[0]"
    core.link = core.core.exchange.opened(core.now, WALL)
    core.say(CREATED, UPDATED)
    # The first one has its turn later.
    while core.core.sessions.due_at() is None:
        core.wait(1)
    assert core.dial() == "primary"
