"""Pauses on a line with noise: by the extension's own level functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted_core import (
    APPEND,
    CREATED,
    SERVER,
    SETTINGS,
    UPDATE,
    UPDATED,
    ScriptedCore,
)
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.speech import (
    loud_span_finder,
    pause_finder,
    sound_finder,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    Final,
    SessionLost,
    TurnFailed,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)

RATE = 8000
#: What a line may have, in dBFS; the voice is at -20.
NOISES = [-90, -52, -45, -40]


class NoisyCore(ScriptedCore):
    """A call on a line with noise of so many dBFS.  ``looked_at``: how many
    bytes its level functions were given."""

    def __init__(
        self, settings: SessionSettings = SERVER, noise_db: float = -90
    ) -> None:
        self.looked_at = 0
        super().__init__(
            settings,
            find_sound=self._counted(sound_finder("g711_ulaw", RATE)),
            find_speech=self._counted(loud_span_finder("g711_ulaw", RATE)),
            find_pause=self._counted(pause_finder("g711_ulaw", RATE)),
            max_buffer_ms=3_600_000,
        )
        self._dice = np.random.default_rng(1)
        self._noise = 32768 * 10 ** (noise_db / 20)

    def _counted(self, find: Callable[..., Any]) -> Callable[..., Any]:
        def counted(data: bytes, *args: int) -> Any:
            self.looked_at += len(data)
            return find(data, *args)

        return counted

    def line(self, seconds: float, voice: float = 0.0) -> bytes:
        """So much of it, with a voice of syllables of a quarter of a second."""
        count = int(RATE * seconds)
        time = np.arange(count) / RATE
        shape = voice * (0.55 + 0.45 * np.sin(8 * np.pi * time))
        sound = self._dice.normal(0, 1, count) * shape
        sound += self._dice.normal(0, self._noise, count)
        samples = sound.clip(-32768, 32767).astype(np.int16)
        return encode(samples, "ulaw").tobytes()

    def voice(self, seconds: float) -> bytes:
        return self.line(seconds, 3277)

    def vowel(self, seconds: float) -> bytes:
        """A voice in which nothing stands out from the rest."""
        samples = self._dice.normal(0, 3277, int(RATE * seconds))
        return encode(samples.astype(np.int16), "ulaw").tobytes()

    def die(self) -> None:
        """The session ends before it says a word."""
        self.core.exchange.closed(self.link, 1011, "", self.now)
        self.look()
        self.wait(15)
        self.connect()
        self.say(CREATED, UPDATED)
        self.wait(1)


def frozen_in_turn(silence_ms: int, noise_db: float) -> NoisyCore:
    """The detector hears a turn begin, and nothing more; somebody spoke for
    3 s, and is silent by now."""
    detector = {"type": "server_vad", "silence_duration_ms": silence_ms}
    core = NoisyCore(replace(SERVER, turn_detection=detector), noise_db)
    core.session()
    core.live(core.line(1) + core.voice(0.5))
    core.started("a", 700)
    core.live(core.voice(2.5))
    return core


@pytest.mark.parametrize("noise_db", NOISES[:2])
@pytest.mark.parametrize("silence_ms", [500, 501, 333, 512])
def test_a_detector_that_freezes_in_a_turn_is_noticed(
    silence_ms: int, noise_db: float
):
    core = frozen_in_turn(silence_ms, noise_db)
    core.live(core.line(10.5))
    assert core.troubles == []
    core.live(core.line(2))
    assert core.troubles == ["no_turn_end"]


@pytest.mark.parametrize("noise_db", NOISES[2:])
def test_on_a_line_with_loud_noise_it_takes_the_bound_of_a_turn(
    noise_db: float,
):
    core = frozen_in_turn(500, noise_db)
    core.live(core.line(40))
    assert core.troubles == []
    core.live(core.line(10))
    assert core.troubles == ["no_result"]


def test_soft_words_end_no_turn():
    """Somebody turns away for two seconds."""
    core = frozen_in_turn(500, -45)
    core.live(core.line(2, 800) + core.voice(15))
    assert core.troubles == []


def test_a_breath_before_a_turn_that_ends_sessions_is_no_turn():
    """Sound where it is silent else; and below the voice, so a pause."""
    core = NoisyCore()
    core.session()
    core.live(core.line(1) + core.line(0.1, 300) + core.line(0.8))
    core.live(core.voice(2) + core.line(1))
    for _ in range(9):
        core.die()
    told = core.of(TurnFailed)
    assert told
    assert all(turn.duration_ms > 50 for turn in told)
    assert core.core.watermark > 2 * RATE


@pytest.mark.parametrize("silence_ms", [500, 501, 333, 512])
def test_a_turn_that_does_not_end_is_read_little(silence_ms: int):
    core = frozen_in_turn(silence_ms, -90)
    core.live(core.line(10))
    core.looked_at = 0
    # Once in a second, all of it.
    core.live(core.line(1))
    assert core.looked_at <= 3 * core.core.received


@pytest.mark.parametrize("silence_ms", [500, 501, 333, 512])
def test_careful_sending_reads_little_of_a_turn_that_does_not_end(
    silence_ms: int,
):
    detector = {"type": "server_vad", "silence_duration_ms": silence_ms}
    core = NoisyCore(replace(SERVER, turn_detection=detector))
    core.session()
    core.live(core.line(1) + core.voice(2))
    core.die()
    core.die()
    core.started("a", 200)
    core.live(core.voice(15))
    core.looked_at = 0
    core.live(core.voice(7))
    # For each of 70 frames a few seconds, however long the turn is.
    assert core.looked_at <= 70 * 15 * RATE


def dying(noise_db: float, seconds: int) -> NoisyCore:
    """A session is sent all that was held: turns of a second with two seconds
    between them.  The next replay is barren, and others are careful."""
    core = NoisyCore(noise_db=noise_db)
    core.session()
    core.core.exchange.closed(core.link, 1011, "", core.now)
    core.look()
    core.hear(core.line(1))
    for _ in range(seconds // 3):
        core.hear(core.voice(1) + core.line(2))
    core.wait(1)
    core.connect()
    core.say(CREATED, UPDATED)
    core.die()
    return core


@pytest.mark.parametrize("noise_db", NOISES)
def test_what_no_session_was_sent_is_not_passed_over(noise_db: float):
    core = dying(noise_db, 15)
    while not core.of(TurnFailed):
        sent = core.link.session.sent
        core.die()
    (failed,) = core.of(TurnFailed)
    end = failed.start_ms + failed.duration_ms
    assert sent * 1000 // RATE <= end <= 2500


def test_to_pass_over_a_turn_costs_no_more_than_what_is_held():
    core = dying(-40, 300)
    while not core.of(TurnFailed):
        core.looked_at = 0
        core.core.exchange.closed(core.link, 1011, "", core.now)
        held = core.looked_at
        core.look()
        core.wait(15)
        core.connect()
        core.say(CREATED, UPDATED)
        core.wait(1)
    assert held <= 5 * core.core.received


def test_what_is_left_to_send_is_not_read_for_each_message():
    spent = []
    for seconds in (60, 600):
        core = dying(-40, seconds)
        core.die()
        core.looked_at = 0
        core.core.exchange.settle(core.now)
        spent.append(core.looked_at)
    assert 0 < spent[1] <= 2 * spent[0]


@pytest.mark.parametrize("noise_db", NOISES)
def test_an_update_goes_out_where_nobody_speaks(noise_db: float):
    core = NoisyCore(noise_db=noise_db)
    core.session()
    core.live(core.line(5))
    core.core.change(replace(SERVER, prompt="x"), core.now)
    core.look()
    assert core.types[-1] == UPDATE


@pytest.mark.parametrize(
    ("noise_db", "voice"), [(-90, 90), (-90, 3277), (-52, 600), (-45, 1200)]
)
def test_an_update_waits_where_somebody_speaks(noise_db: float, voice: float):
    """Also for speech of -55 dBFS, where it is silent else."""
    core = NoisyCore(noise_db=noise_db)
    core.session()
    core.live(core.line(5) + core.line(0.5, voice))
    core.core.change(replace(SERVER, prompt="x"), core.now)
    core.look()
    assert UPDATE not in core.types[2:]


@pytest.mark.parametrize("noise_db", NOISES)
def test_a_ready_session_takes_over_where_nobody_speaks(noise_db: float):
    core = NoisyCore(noise_db=noise_db)
    core.session()
    core.live(core.line(5))
    before = core.link
    core.core.change(replace(SERVER, model="other"), core.now)
    core.connect()
    core.say(CREATED, UPDATED)
    assert core.core.active is core.link is not before


@pytest.mark.parametrize("noise_db", NOISES)
def test_careful_sending_is_over_where_nobody_speaks(noise_db: float):
    core = NoisyCore(noise_db=noise_db)
    core.session()
    core.live(core.line(2) + core.voice(1) + core.line(1))
    core.die()
    core.die()
    core.turn("a", 0, 2500)
    core.transcribed("completed", "a", transcript="one")
    core.live(core.line(5))
    assert core.finals == ["one"]
    core.sent = []
    core.live(core.line(5))
    # Of a tenth of a second, and no more of a whole one.
    assert core.types == [APPEND] * 50


@pytest.mark.parametrize("noise_db", NOISES)
def test_the_noise_of_a_line_is_no_turn_that_ends_sessions(noise_db: float):
    core = NoisyCore(noise_db=noise_db)
    core.session()
    for _ in range(8):
        core.live(core.line(10))
        core.die()
    core.live(core.line(10) + core.voice(0.5))
    core.die()
    assert core.of(TurnFailed) == []
    assert core.core.watermark < core.core.received - RATE // 2


@pytest.mark.parametrize("noise_db", NOISES)
def test_of_noise_a_server_on_trial_need_say_nothing(noise_db: float):
    core = NoisyCore(noise_db=noise_db)
    core.connect()
    core.say(CREATED)
    core.live(core.line(40))
    assert core.of(SessionLost) == []
    core.live(core.voice(1) + core.line(12))
    assert len(core.of(SessionLost)) == 1


@pytest.mark.parametrize("noise_db", NOISES)
def test_a_turn_that_a_commit_ends_has_the_times_of_its_voice(
    noise_db: float,
):
    core = NoisyCore(SETTINGS, noise_db)
    core.session()
    core.live(core.line(5) + core.voice(1) + core.line(0.5))
    core.hear(b"", commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    (final,) = core.of(Final)
    # To 10 ms; what fades may be less.
    assert final.turn.start_ms == pytest.approx(5000, abs=20)
    assert final.turn.duration_ms == pytest.approx(1000, abs=20)


SHORT = [0.3, 0.5, 1, 3.5]


@pytest.mark.parametrize("seconds", SHORT)
def test_who_speaks_on_after_a_finalize_is_no_noise(seconds: float):
    """Nothing is held but a voice, which stands out from nothing."""
    core = NoisyCore(SETTINGS)
    core.session()
    core.hear(core.vowel(1), commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    core.live(core.vowel(seconds))
    core.core.change(replace(SETTINGS, prompt="x"), core.now)
    core.look()
    assert UPDATE not in core.types[1:]


@pytest.mark.parametrize("seconds", SHORT)
def test_a_turn_without_silence_around_it_may_be_what_ends_sessions(
    seconds: float,
):
    """As with push to talk."""
    core = NoisyCore(SETTINGS)
    core.session()
    core.hear(core.vowel(seconds), commit=True)
    deaths = 0
    while not core.of(TurnFailed) and deaths < 10:
        core.die()
        deaths += 1
    (failed,) = core.of(TurnFailed)
    assert failed.fault.code == "turn_ends_sessions"
    assert failed.duration_ms == pytest.approx(seconds * 1000, abs=20)


@pytest.mark.parametrize("seconds", SHORT)
def test_a_turn_without_silence_around_it_has_all_its_time(seconds: float):
    core = NoisyCore(SETTINGS)
    core.session()
    core.hear(core.voice(seconds), commit=True)
    core.committed("a", None)
    core.transcribed("completed", "a", transcript="one")
    (final,) = core.of(Final)
    assert final.turn.start_ms == 0
    assert final.turn.duration_ms == pytest.approx(seconds * 1000, abs=20)
