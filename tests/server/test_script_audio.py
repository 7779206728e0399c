"""The word codec: exact words in, the same words out, or ``<broken>``."""

from __future__ import annotations

import random
import time

import numpy as np
import numpy.typing as npt
import pytest
import soxr  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from devkit.script_audio import (
    BROKEN,
    MAX_WORD_ID,
    WordDecoder,
    decode_words,
    encode_words,
    speak,
    word_ids,
    word_text,
)

Samples = npt.NDArray[np.int16]
IDS = st.integers(0, MAX_WORD_ID)


def ids_in(samples: Samples, rate: int) -> list[int | None]:
    return [word.word_id for word in decode_words(samples, rate)]


def in_chunks(samples: Samples, rate: int, seed: int) -> list[int | None]:
    sizes = random.Random(seed)
    decoder = WordDecoder(rate)
    words, position = [], 0
    while position < len(samples):
        size = sizes.randrange(1, 2000)
        words += decoder.feed(samples[position : position + size])
        position += size
    words += decoder.flush()
    return [word.word_id for word in words]


def through_g711(samples: Samples, law: str) -> Samples:
    """Logarithmic companding with 8 bits, from the formulas of G.711."""
    x = samples.astype(np.float64) / 32768
    if law == "mu":
        y = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log1p(255)
        y = np.round(y * 127) / 127
        x = np.sign(y) * np.expm1(np.abs(y) * np.log1p(255)) / 255
    else:
        a = 87.6
        small = np.abs(x) < 1 / a
        large = (1 + np.log(np.maximum(a * np.abs(x), 1))) / (1 + np.log(a))
        y = np.sign(x) * np.where(small, a * np.abs(x) / (1 + np.log(a)), large)
        y = np.sign(y) * (np.floor(np.abs(y) * 127) + 0.5) / 127
        z = np.abs(y) * (1 + np.log(a))
        x = np.sign(y) * np.where(z < 1, z, np.exp(z - 1)) / a
    linear: Samples = np.clip(np.round(x * 32768), -32768, 32767).astype("<i2")
    return linear


@settings(max_examples=150, deadline=None)
@given(
    turns=st.lists(st.lists(IDS, min_size=1, max_size=4), max_size=3),
    path=st.sampled_from(["plain", "24k", "mu", "a"]),
    quality=st.sampled_from(["QQ", "LQ", "MQ", "HQ", "VHQ"]),
    level=st.floats(-30, 0),
    gap=st.integers(60, 200),
    stereo=st.booleans(),
    cut=st.integers(0, 700),
    seed=st.integers(0, 1000),
)
def test_words_survive_the_way_to_the_server(
    turns: list[list[int]],
    path: str,
    quality: str,
    level: float,
    gap: int,
    stereo: bool,
    cut: int,
    seed: int,
) -> None:
    spoken, times = speak(
        turns, 16_000, 300, gap_ms=gap, level_dbfs=level, lead_ms=50
    )
    samples = spoken[cut:]
    if stereo:  # the words in one channel only
        samples = (samples.astype(np.int32) // 2).astype(np.int16)
    rate = {"plain": 16_000, "24k": 24_000}.get(path, 8000)
    if rate != 16_000 and len(samples):
        samples = np.asarray(
            soxr.resample(samples, 16_000, rate, quality=quality), np.int16
        )
    if rate == 8000:
        samples = through_g711(samples, path)

    heard = in_chunks(samples, rate, seed)

    assert heard == [word_id for turn in turns for word_id in turn]
    assert len(times) == len(heard)


@settings(max_examples=150, deadline=None)
@given(word_id=IDS, data=st.data())
def test_damaged_words_are_broken_never_other_words(
    word_id: int, data: st.DataObject
) -> None:
    word = encode_words([word_id], 24_000)
    other = encode_words([data.draw(IDS)], 24_000)
    start = data.draw(st.integers(240, len(word) - 240))
    length = data.draw(st.integers(240, 2400))
    damage = data.draw(
        st.sampled_from(["head", "tail", "hole", "skip", "mixed", "spliced"])
    )
    if damage == "head":
        samples = word[:start]
    elif damage == "tail":
        samples = word[start:]
    elif damage == "hole":
        samples = word.copy()
        samples[start : start + max(length, 480)] = 0
    elif damage == "skip":
        samples = np.concatenate([word[:start], word[start + length :]])
    elif damage == "mixed":
        samples = word // 2 + np.roll(other, start) // 2
    else:
        samples = np.concatenate([word[:start], other[start:]])

    heard = ids_in(samples, 24_000)

    assert heard, "a damaged word must not vanish"
    assert set(heard) <= {None, word_id, *ids_in(other, 24_000)}
    if damage in ("head", "tail") and 480 < start < len(word) - 480:
        assert heard == [None]


def test_halves_of_two_words_make_no_third_word() -> None:
    # Cut at symbol edges, so that only the checksum can tell.
    word, other = encode_words([123_456], 24_000), encode_words([98], 24_000)
    for cut in range(480 * 2, 480 * 9, 480):
        spliced = np.concatenate([word[:cut], other[cut:]])
        assert ids_in(spliced, 24_000) == [None]


def test_two_voices_at_once_are_broken() -> None:
    word, other = encode_words([1], 24_000), encode_words([2], 24_000)
    both = (0.5 * word + 0.45 * other).astype(np.int16)
    assert ids_in(both, 24_000) == [None]


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 24_000, 44_100, 48_000])
def test_times_are_true(rate: int) -> None:
    samples, times = speak([[7, 8], [9]], rate, 400)

    found = decode_words(samples, rate)

    assert [word.word_id for word in found] == [7, 8, 9]
    for word, (_, start, end) in zip(found, times, strict=True):
        assert abs(word.start_sample - start) <= rate * 0.0026
        assert abs(word.end_sample - end) <= rate * 0.0026


def test_pauses_between_turns_are_digital_silence() -> None:
    samples, times = speak([[1], [2]], 16_000, 500, lead_ms=100, tail_ms=0)
    (_, _, first_end), (_, second_start, end) = times
    assert second_start - first_end == 8000
    assert not samples[first_end:second_start].any()
    assert not samples[:1600].any()
    assert end == len(samples)


def test_words_without_gap_and_noise_are_still_told_apart() -> None:
    word, other = encode_words([1], 24_000), encode_words([2], 24_000)
    assert ids_in(np.concatenate([word, other]), 24_000) == [1, 2]
    noise = np.random.default_rng(1).integers(-9000, 9000, 24_000)
    assert set(ids_in(noise.astype(np.int16), 24_000)) == {None}


def test_endless_sound_does_not_fill_memory() -> None:
    tone = np.sin(np.arange(24_000) * 0.2) * 9000
    decoder = WordDecoder(24_000)
    pieces = [decoder.feed(tone.astype(np.int16)) for _ in range(20)]
    assert sum(map(len, pieces)) >= 5
    assert len(decoder._samples) < 4 * 24_000


def test_decoding_costs_little() -> None:
    samples, _ = speak([list(range(100))], 24_000, 100)

    def cpu_seconds() -> float:
        decoder = WordDecoder(24_000)
        before = time.process_time()
        for start in range(0, len(samples), 480):
            decoder.feed(samples[start : start + 480])
        return time.process_time() - before

    spent = min(cpu_seconds() for _ in range(3))
    # Measured: 2 ms per second of audio. CPU time, so other load is not in it.
    assert spent / (len(samples) / 24_000) < 0.010


def test_text_form() -> None:
    assert word_text(123) == "w000123"
    assert word_ids(f"w000123 {BROKEN} w999999") == [123, None, 999_999]


@pytest.mark.parametrize(
    "change",
    [{"rate": 7999}, {"gap_ms": 59}, {"level_dbfs": 1}, {"ids": [1_000_000]}],
)
def test_what_the_decoder_cannot_read_is_refused(
    change: dict[str, object],
) -> None:
    arguments = {"ids": [1], "rate": 8000, **change}
    with pytest.raises(ValueError, match=r"\d"):
        encode_words(**arguments)  # type: ignore[arg-type]
