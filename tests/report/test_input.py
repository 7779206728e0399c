"""The audio of a call: how it came, how it sounds, and what is played."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from reported_call import frames, titles, tone, voice
from ten_packages.extension.openai_asr_python.audio import g711


def decoded(session):
    data, rate = soundfile.read(io.BytesIO(session.sound.data))
    return data, rate


def test_what_is_played_is_as_long_as_the_call(session_of):
    audio = voice(7)
    session = session_of([frames(0, audio)], audio)
    data, rate = decoded(session)
    assert session.timeline.total_ms == 7000
    # An encoder adds less than two of its frames.
    assert 0 <= len(data) / rate - 7 < 0.1
    assert len(session.sound.shape) * session.sound.step_ms == 7000
    assert session.sound.media_type == "audio/mpeg"
    # 32 kbit/s.
    assert len(session.sound.data) < 4100 * 7


def loudest_hz(samples, rate):
    spectrum = np.abs(np.fft.rfft(samples))
    return np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()]


@pytest.mark.parametrize("form", ["wide", "ulaw", "alaw", "unsaid"])
def test_every_format_sounds_as_it_was(session_of, form):
    header = None
    plain = np.frombuffer(tone(2, rate=8000), "<i2")
    if form == "wide":
        audio = np.repeat(np.frombuffer(tone(2, rate=48000), "<i2"), 2)
        line = frames(0, audio.tobytes(), rate=48000, channels=2)
        data = audio.tobytes()
    elif form == "unsaid":
        data = tone(2)
        line = {**frames(0, data), "rate": 0, "channels": 0, "width": 0}
    else:
        data = g711.encode(plain, form).tobytes()
        line = frames(0, data, rate=8000, width=1)
        config = {"g711_input": form, "sample_rate": 8000}
        header = {"config": config}
    session = session_of([line], data, header)
    assert session.timeline.total_ms == 2000
    samples, rate = decoded(session)
    assert loudest_hz(samples, rate) == pytest.approx(220, abs=2)
    assert session.sound.levels.peak == pytest.approx(8000, rel=0.1)


def test_a_change_of_the_format_loses_nothing(session_of):
    first, second = tone(1), tone(1, rate=8000)
    session = session_of(
        [frames(0, first), frames(1000, second, rate=8000)], first + second
    )
    assert session.timeline.total_ms == 2000
    assert session.sound.levels.samples == 2 * 24000


SILENT = "The input is silent: nothing but zeros"
MUTE = "The microphone is nearly mute"
CLIPS = "The input clips"
NOISE = "The input sounds like noise"
OFFSET = "The input has a constant offset"
LEVELS = (SILENT, MUTE, CLIPS, NOISE, OFFSET, "The input is quiet")


def as_other(audio: bytes) -> bytes:
    return np.frombuffer(audio, "<i2").astype(">i2").tobytes()


def louder(audio: bytes) -> bytes:
    samples = np.frombuffer(audio, "<i2").astype(np.int32) * 8
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("audio", "wanted"),
    [
        (voice(6), ()),
        (bytes(6 * 32000), (SILENT,)),
        (tone(6, 100), (MUTE,)),
        (louder(voice(6)), (CLIPS,)),
        (as_other(voice(6)), (NOISE,)),
    ],
    ids=["voice", "silence", "mute", "loud", "bytes swapped"],
)
def test_how_it_sounds_is_told(session_of, audio, wanted):
    found = titles(session_of([frames(0, audio)], audio))
    told = [title for title in LEVELS if title in found]
    # What is read wrongly is mostly loud as well.
    assert told == list(wanted) or NOISE in set(told) & set(wanted)


def test_g711_that_is_taken_for_pcm_is_a_hint(session_of):
    samples = np.frombuffer(voice(6), "<i2")
    audio = g711.encode(samples, "ulaw").tobytes()
    found = titles(session_of([frames(0, audio)], audio))
    assert NOISE in found or OFFSET in found


LATE = "Frames came late, then in a burst"
NONE = "No audio came"
FAST = "Audio came faster than time goes by"
SLOW = "Audio came slower than time goes by"
TIMES = (LATE, NONE, FAST, SLOW)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([frames(0, tone(8))], ()),
        # Two seconds are missing, then they come at once.
        (
            [
                frames(0, tone(4)),
                frames(6000, tone(2), 6100),
                frames(6110, tone(4)),
            ],
            (LATE,),
        ),
        # The same at the end.
        ([frames(0, tone(4)), frames(5000, tone(1), 5100)], (LATE,)),
        # The caller was muted.
        ([frames(0, tone(4)), frames(6000, tone(8))], (NONE,)),
        # A file, or a wrong rate.
        ([frames(0, tone(8), 3990)], (FAST,)),
        ([frames(0, tone(8), 15990)], (SLOW,)),
    ],
    ids=["in time", "burst", "burst at the end", "mute", "fast", "slow"],
)
def test_how_it_came_is_told(session_of, lines, wanted):
    found = titles(session_of(lines, None))
    assert tuple(title for title in TIMES if title in found) == wanted


def test_a_call_that_nobody_sent_audio_to(session_of):
    session = session_of([])
    assert titles(session) == {"No audio came at all": 1}
    assert session.sound is None


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"audio": False}, "made without audio"),
        ({"audio_limit_min": 0.05}, "--audio-limit"),
        ({"redacted": True}, "without what was said"),
    ],
)
def test_why_there_is_nothing_to_play(session_of, wishes, why):
    heard = tone(6)
    session = session_of([frames(0, heard)], heard, wishes=wishes)
    assert why in session.without_audio
    assert session.sound is None or not session.sound.data
    # The shape of the sound is content, too.
    assert (session.sound is None) == bool(wishes.get("redacted"))


def test_audio_that_is_missing_or_cut(session_of, tmp_path):
    session = session_of([frames(0, tone(4))], None)
    assert "no such file" in session.without_audio
    session = session_of([frames(0, tone(4))], tone(1))
    assert len(session.sound.shape) * session.sound.step_ms == 1000
    (tmp_path / "call.pcm").unlink()
    (tmp_path / "call.pcm").symlink_to("/etc/hostname")
    session = session_of([frames(0, tone(4))], None)
    assert "is a symbolic link" in session.without_audio
