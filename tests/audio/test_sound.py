"""What must be spoken of: sound that stands out from its background; and what
is a pause of a voice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.speech import (
    pause_finder,
    sound_finder,
)

FORMATS = [("pcm16", 24000), ("g711_ulaw", 8000), ("g711_alaw", 8000)]


def wire(signal: np.ndarray, wire_format: str) -> bytes:
    samples = signal.round().clip(-32768, 32767).astype(np.int16)
    if wire_format == "pcm16":
        return samples.astype("<i2").tobytes()
    law = "ulaw" if wire_format == "g711_ulaw" else "alaw"
    return encode(samples, law).tobytes()


def noise(seed: int, seconds: float, rate: int, level: float) -> np.ndarray:
    """Gaussian, ``level`` its RMS in units of one LSB."""
    count = int(seconds * rate)
    return np.random.default_rng(seed).normal(0, level, count)


def burst(seconds: float, rate: int, level: float) -> np.ndarray:
    """A vowel of 150 Hz whose loudness comes and goes, as in syllables."""
    time = np.arange(int(seconds * rate)) / rate
    shape = np.sin(np.pi * (time * 4 % 1)) ** 0.5
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 9))
    return level * shape * voice


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(
    level=st.floats(0, 15000),
    seconds=st.floats(0, 4),
    seed=st.integers(0, 99),
)
def test_steady_noise_of_any_level_is_none(
    wire_format: str, rate: int, level: float, seconds: float, seed: int
):
    find = sound_finder(wire_format, rate)
    data = wire(noise(seed, seconds, rate, level), wire_format)
    assert find(data) is None


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(
    floor=st.floats(0, 800),
    above_db=st.floats(20, 30),
    before=st.floats(0.3, 2),
    seconds=st.floats(0.2, 1.5),
    after=st.floats(0.3, 2),
)
def test_a_burst_like_speech_is_found_where_it_is(
    wire_format: str,
    rate: int,
    floor: float,
    above_db: float,
    before: float,
    seconds: float,
    after: float,
):
    level = max(floor, 100) * 10 ** (above_db / 20)
    signal = np.concatenate(
        (
            noise(1, before, rate, floor),
            burst(seconds, rate, level),
            noise(2, after, rate, floor),
        )
    )
    found = sound_finder(wire_format, rate)(wire(signal, wire_format))
    assert found is not None
    first, last, length = found
    begin, size = int(before * rate), int(seconds * rate)
    near = rate // 25
    assert abs(first - begin) <= near
    assert abs(last - (begin + size)) <= 3 * near
    assert size // 2 <= length <= last - first


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(data=st.binary(max_size=2000))
def test_what_it_finds_lies_in_what_it_was_given(
    wire_format: str, rate: int, data: bytes
):
    size = 2 if wire_format == "pcm16" else 1
    data = data[: len(data) // size * size]
    found = sound_finder(wire_format, rate)(data)
    if found is not None:
        first, last, length = found
        assert 0 <= first < last <= len(data) // size
        assert 0 < length <= last - first


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(
    floor=st.floats(0, 800),
    above_db=st.floats(20, 50),
    before=st.floats(1, 3),
    pause=st.floats(0.6, 3),
    least=st.floats(0.2, 0.5),
)
def test_the_first_pause_of_a_voice_is_found_whatever_the_noise(
    wire_format: str,
    rate: int,
    floor: float,
    above_db: float,
    before: float,
    pause: float,
    least: float,
):
    level = min(max(floor, 100) * 10 ** (above_db / 20), 12000)
    parts = (
        burst(before, rate, level) + noise(1, before, rate, floor),
        noise(2, pause, rate, floor),
        burst(1, rate, level) + noise(3, 1, rate, floor),
        noise(4, 2, rate, floor),
    )
    find = pause_finder(wire_format, rate)
    data = wire(np.concatenate(parts), wire_format)
    found = find(data, int(least * rate), True)
    assert found is not None
    begin, end = len(parts[0]), len(parts[0]) + len(parts[1])
    # The last syllable fades.
    assert begin - rate // 8 <= found[0] <= begin + rate // 50
    assert end - rate // 50 <= found[1] <= end + rate // 8


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(
    level=st.floats(300, 12000),
    seconds=st.floats(0.1, 4),
    least=st.integers(1, 40000),
    seed=st.integers(0, 9),
)
def test_a_steady_sound_has_no_pause(
    wire_format: str,
    rate: int,
    level: float,
    seconds: float,
    least: int,
    seed: int,
):
    data = wire(noise(seed, seconds, rate, level), wire_format)
    for in_noise in (True, False):
        assert pause_finder(wire_format, rate)(data, least, in_noise) is None


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(
    data=st.binary(max_size=4000),
    least=st.integers(1, 4000),
    noisy=st.booleans(),
)
def test_a_pause_lies_behind_a_voice_in_what_it_was_given(
    wire_format: str, rate: int, data: bytes, least: int, noisy: bool
):
    size = 2 if wire_format == "pcm16" else 1
    data = data[: len(data) // size * size]
    found = pause_finder(wire_format, rate)(data, least, noisy)
    if found is not None:
        assert 0 < found[0] <= found[0] + least <= found[1]
        assert found[1] <= len(data) // size


@pytest.mark.parametrize(("wire_format", "rate"), FORMATS)
@given(softer_db=st.floats(3, 25), soft=st.floats(1, 3))
def test_soft_words_are_no_pause(
    wire_format: str, rate: int, softer_db: float, soft: float
):
    """Nor is what is soft in music."""
    level = 8000 * 10 ** (-softer_db / 20)
    parts = noise(1, 3, rate, 8000), noise(2, soft, rate, level)
    data = wire(np.concatenate(parts), wire_format)
    assert pause_finder(wire_format, rate)(data, rate // 2, False) is None
