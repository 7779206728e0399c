"""Energy VAD: sample-exact and independent of chunking."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.server.vad import (
    EnergyVad,
    SpeechStarted,
    SpeechStopped,
    threshold_dbfs,
)

Samples = npt.NDArray[np.int16]
RATE = 24_000
MS = RATE // 1000


def server_vad(**changes: Any) -> dict[str, Any]:
    return {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 100,
        "silence_duration_ms": 200,
        **changes,
    }


def sound(ms: int, dbfs: float = -20.0) -> Samples:
    """A tone of this RMS level."""
    peak = 32768 * 10 ** (dbfs / 20) * 2**0.5
    wave = np.sin(2 * np.pi * 1000 * np.arange(ms * MS) / RATE)
    return np.round(peak * wave).astype(np.int16)


def silence(ms: int) -> Samples:
    return np.zeros(ms * MS, np.int16)


def call(*pieces: Samples) -> Samples:
    return np.concatenate(pieces)


def turns(
    audio: Samples, config: dict[str, Any], seed: int | None = None
) -> list[tuple[str, float]]:
    """Events in ms; ``seed`` cuts the audio into pieces."""
    vad = EnergyVad(config, RATE)
    events, position, sizes = [], 0, random.Random(seed)
    while position < len(audio):
        size = len(audio) if seed is None else sizes.randrange(1, 3000)
        for event in vad.push(audio[position : position + size]):
            if isinstance(event, SpeechStarted):
                events.append(("start", event.start / MS))
            else:
                events.append(("stop", event.end / MS))
        position += size
    return events


def test_times_of_a_turn() -> None:
    audio = call(silence(500), sound(300), silence(500))
    assert turns(audio, server_vad()) == [("start", 400), ("stop", 1000)]


def test_pause_shorter_than_the_silence_is_inside_of_the_turn() -> None:
    audio = call(silence(200), sound(100), silence(190), sound(100))
    audio = call(audio, silence(300))
    assert turns(audio, server_vad()) == [("start", 100), ("stop", 790)]
    shorter = server_vad(silence_duration_ms=180)
    assert turns(audio, shorter) == [
        ("start", 100),
        ("stop", 480),
        ("start", 480),  # the prefix is clamped at the last turn's end
        ("stop", 770),
    ]


def test_prefix_is_clamped_at_zero() -> None:
    audio = call(silence(50), sound(100), silence(300))
    assert turns(audio, server_vad())[0] == ("start", 0)


def test_clicks_are_no_speech() -> None:
    audio = call(silence(200), sound(20), silence(300))
    assert turns(audio, server_vad()) == []


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_threshold(threshold: float) -> None:
    config = server_vad(threshold=threshold)
    level = threshold_dbfs(threshold)
    for offset, heard in ((1.0, True), (-1.0, False)):
        audio = call(sound(300, level + offset), silence(500))
        assert bool(turns(audio, config)) == heard


def test_quiet_end_of_a_word_does_not_begin_the_silence() -> None:
    audio = call(sound(200), sound(200, threshold_dbfs(0.5) - 3), silence(400))
    assert turns(audio, server_vad())[-1] == ("stop", 600)


def test_semantic_vad_waits_by_eagerness() -> None:
    audio = call(sound(300), silence(3000))
    ends = {}
    for eagerness in ("low", "medium", "high", "auto"):
        config = {"type": "semantic_vad", "eagerness": eagerness}
        ends[eagerness] = turns(audio, config)[-1][1]
    assert ends["high"] < ends["medium"] < ends["low"]
    assert ends["auto"] == ends["medium"]


def test_reset_while_speaking_begins_anew_at_the_boundary() -> None:
    vad = EnergyVad(server_vad(), RATE)
    assert vad.push(sound(300)) == [SpeechStarted(0)]
    vad.reset(300 * MS)
    assert not vad.speaking
    assert vad.push(sound(300)) == [SpeechStarted(300 * MS)]
    assert vad.push(silence(300)) == [SpeechStopped(800 * MS)]


@settings(max_examples=60, deadline=None)
@given(
    pieces=st.lists(
        st.tuples(st.integers(10, 400), st.integers(0, 400)), max_size=6
    ),
    silence_ms=st.integers(0, 300),
    prefix_ms=st.integers(0, 500),
    seed=st.integers(0, 1000),
)
def test_chunking_changes_nothing_and_turns_do_not_overlap(
    pieces: list[tuple[int, int]],
    silence_ms: int,
    prefix_ms: int,
    seed: int,
) -> None:
    audio = call(
        silence(0),
        *(call(sound(loud), silence(quiet)) for loud, quiet in pieces),
    )
    config = server_vad(
        silence_duration_ms=silence_ms, prefix_padding_ms=prefix_ms
    )
    events = turns(audio, config)
    assert turns(audio, config, seed) == events
    assert [kind for kind, _ in events] == (["start", "stop"] * 9)[
        : len(events)
    ]
    times = [time for _, time in events]
    assert times == sorted(times)
