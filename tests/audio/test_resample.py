"""The resampler: exact counts, no seams, no wrap, any chunking."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio.resample import Resampler

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000]


def tone(rate: int, samples: int, hz: float = 440.0) -> np.ndarray:
    time = np.arange(samples) / rate
    wave = 9000 * np.sin(2 * np.pi * hz * time)
    wave += 4000 * np.sin(2 * np.pi * 2.7 * hz * time + 1)
    return np.rint(wave).astype(np.int16)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(-32768, 32768, samples).astype(np.int16)


def in_pieces(resampler, samples, sizes, flush_after=()):
    out, position = [], 0
    for index, size in enumerate([*sizes, len(samples)]):
        out.append(resampler.push(samples[position : position + size]))
        position += size
        if index in flush_after:
            out.append(resampler.flush())
    return np.concatenate(out)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(RATES),
    st.sampled_from([8000, 24000]),
    st.lists(st.integers(0, 900), max_size=12),
)
def test_any_chunking_gives_the_same_samples(in_rate, out_rate, sizes):
    samples = noise(4000)
    whole = Resampler(in_rate, out_rate)
    pieces = Resampler(in_rate, out_rate)
    np.testing.assert_array_equal(
        in_pieces(pieces, samples, sizes), whole.push(samples)
    )
    np.testing.assert_array_equal(pieces.flush(), whole.flush())


@settings(max_examples=80, deadline=None)
@given(
    st.one_of(st.sampled_from(RATES), st.integers(4000, 60000)),
    st.sampled_from([8000, 16000, 24000]),
    st.lists(st.integers(0, 700), min_size=1, max_size=30),
    st.sets(st.integers(0, 29)),
)
def test_counts_are_exact_after_every_flush(
    in_rate, out_rate, sizes, flush_after
):
    resampler = Resampler(in_rate, out_rate)
    received = delivered = 0
    for index, size in enumerate(sizes):
        received += size
        delivered += len(resampler.push(noise(size)))
        assert delivered <= received * out_rate // in_rate
        if index in flush_after:
            delivered += len(resampler.flush())
            assert delivered == received * out_rate // in_rate
            assert not len(resampler.flush())
        assert (resampler.total_in, resampler.total_out) == (
            received,
            delivered,
        )


@pytest.mark.parametrize("out_rate", [8000, 24000])
@pytest.mark.parametrize("in_rate", RATES)
def test_a_flush_leaves_no_seam(in_rate, out_rate):
    """A tone flushed at odd places is the tone, within a few LSB."""
    samples = tone(in_rate, in_rate)
    random = np.random.default_rng(in_rate)
    # The first flush waits until there is something to predict from.
    sizes = [in_rate // 10, *random.integers(1, in_rate // 12, 18).tolist()]
    expected = Resampler(in_rate, out_rate)
    wanted = np.concatenate((expected.push(samples), expected.flush()))
    resampler = Resampler(in_rate, out_rate)
    got = in_pieces(resampler, samples, sizes, set(range(19)))
    got = np.concatenate((got, resampler.flush()))
    assert len(got) == len(wanted) == out_rate
    error = np.abs(got.astype(int) - wanted)
    assert error.max() <= 40  # -51 dB below the tone, at the seams only
    assert np.count_nonzero(error > 8) < 0.01 * len(error)


@pytest.mark.parametrize("in_rate", [8000, 16000, 44100, 48000])
def test_what_follows_a_flush_is_that_of_an_unbroken_stream(in_rate):
    """Even for noise, whose end cannot be predicted."""
    samples = noise(in_rate // 2, seed=3)
    half = in_rate // 4 + 1
    unbroken, broken = Resampler(in_rate, 24000), Resampler(in_rate, 24000)
    wanted = np.concatenate((unbroken.push(samples), unbroken.flush()))
    broken.push(samples[:half])
    broken.flush()
    start = broken.total_out
    got = np.concatenate((broken.push(samples[half:]), broken.flush()))
    difference = got.astype(int) - wanted[start:]
    assert np.abs(difference).max() <= 1


def test_thousands_of_flushes_do_not_drift():
    resampler = Resampler(11025, 24000)
    out, received = 0, 0
    for size in np.random.default_rng(5).integers(0, 60, 3000):
        received += int(size)
        out += len(resampler.push(np.ones(size, np.int16)))
        out += len(resampler.flush())
    assert out == received * 24000 // 11025


@pytest.mark.parametrize("in_rate", RATES)
def test_a_full_scale_square_clips_and_never_wraps(in_rate):
    high = np.arange(in_rate) // (in_rate // 100) % 2 == 0
    square = np.where(high, 32767, -32768).astype(np.int16)
    resampler = Resampler(in_rate, 24000)
    out = np.concatenate((resampler.push(square), resampler.flush()))
    assert out.max() == 32767
    assert out.min() == -32768
    # In the middle of each half period (10 ms) the sign is the input's.
    middles = out[120 : len(out) - 240 : 240]
    assert (middles[::2] > 30000).all()
    assert (middles[1::2] < -30000).all()


def test_a_constant_stays_constant_through_flushes():
    resampler = Resampler(16000, 24000)
    samples = np.full(16000, 1000, np.int16)
    out = in_pieces(resampler, samples, [1600] * 9, set(range(9)))
    settled = out[1200:]
    assert np.abs(settled.astype(int) - 1000).max() <= 1


def test_samples_are_rounded_to_the_nearest():
    """Cutting the fraction off would shift everything by half an LSB."""
    samples = noise(16000) // 4
    exact = soxr.resample(samples.astype(np.float64), 16000, 24000, "HQ")
    resampler = Resampler(16000, 24000)
    out = resampler.push(samples)
    assert np.abs(out - exact[: len(out)]).max() < 0.52


def test_equal_rates_pass_through():
    resampler = Resampler(24000, 24000)
    samples = noise(1000)
    np.testing.assert_array_equal(resampler.push(samples), samples)
    assert not len(resampler.flush())
    assert resampler.total_out == 1000


def test_wrong_rates_are_named():
    with pytest.raises(ValueError, match="in_rate: 0 Hz"):
        Resampler(0, 24000)
    with pytest.raises(ValueError, match="out_rate: -8000 Hz"):
        Resampler(16000, -8000)
