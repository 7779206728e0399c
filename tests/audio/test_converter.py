"""Frames of every shape to the wire format."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio import g711
from ten_packages.extension.openai_asr_python.audio.converter import (
    FrameConverter,
)

WIRES = ["pcm16", "g711_ulaw", "g711_alaw"]
RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000]


def pcm(samples: int, seed: int = 0) -> bytes:
    random = np.random.default_rng(seed)
    values = random.integers(-32768, 32768, samples)
    return values.astype("<i2").tobytes()


def as_samples(wire: bytes) -> np.ndarray:
    return np.frombuffer(wire, "<i2").astype(int)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WIRES),
    st.sampled_from(RATES),
    st.integers(1, 3),
    st.lists(st.integers(0, 700), max_size=10),
)
def test_any_chunking_gives_the_same_bytes(wire, rate, channels, sizes):
    data = pcm(3000 * channels)
    whole = FrameConverter(wire, rate, channels)
    pieces = FrameConverter(wire, 16000)
    out, position = b"", 0
    for size in [*sizes, 3000]:
        step = size * channels * 2
        out += pieces.push(data[position : position + step], rate, channels)
        position += step
    assert out == whole.push(data)
    assert out + pieces.flush() == out + whole.flush()
    assert pieces.wire_samples == 3000 * pieces.wire_rate // rate
    assert pieces.input_ms == whole.input_ms == 3000 * 1000 / rate


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WIRES),
    st.sampled_from([(1, 1), (1, 2), (2, 2), (3, 2), (8, 2), (5, 1)]),
    st.lists(st.integers(0, 900), max_size=12),
)
def test_frames_may_end_in_the_middle_of_a_sample(wire, form, sizes):
    channels, width = form
    data = pcm(1000 * channels)[: 1000 * channels * width]
    whole = FrameConverter(wire, 16000)
    pieces = FrameConverter(wire, 16000)
    out, position = b"", 0
    for size in [*sizes, len(data)]:
        part = data[position : position + size]
        out += pieces.push(part, 16000, channels, width)
        position += size
        done = min(position, len(data)) // (channels * width)
        assert pieces.input_ms == done / 16
    assert out + pieces.flush() == (
        whole.push(data, 16000, channels, width) + whole.flush()
    )
    assert pieces.take_lost_bytes() == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"rate": 8000},
        {"channels": 2},
        {"bytes_per_sample": 1},
        {"channels": 2, "interleaved": False},
        {"interleaved": False},
    ],
)
def test_a_sample_that_another_format_cuts_is_counted(other):
    converter, twin = (FrameConverter("pcm16", 16000) for _ in range(2))
    both = converter.push(pcm(160) + b"x") + converter.push(bytes(80), **other)
    assert both == twin.push(pcm(160)) + twin.push(bytes(80), **other)
    assert converter.input_ms == twin.input_ms
    assert converter.take_lost_bytes() == (1, 0)
    assert converter.take_lost_bytes() == (0, 0)
    assert converter.flush() == twin.flush()


formats = st.tuples(
    st.sampled_from([*RATES, 4000, 12345]),
    st.integers(1, 8),
    st.integers(1, 2),
    st.integers(0, 500),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WIRES), st.lists(formats, max_size=12), st.booleans())
def test_format_changes_lose_nothing(wire, frames, interleaved):
    """Less than one sample of rounding for each change of the rate."""
    converter = FrameConverter(wire, 16000)
    produced, wanted, runs, last_rate = 0, 0.0, 1, 0
    for rate, channels, width, count in frames:
        data = pcm(count * channels)[: count * channels * width]
        out = converter.push(
            data, rate, channels, width, interleaved=interleaved
        )
        produced += len(out) // converter.bytes_per_sample_wire
        wanted += count * converter.wire_rate / rate
        runs += count > 0 and rate != last_rate
        last_rate = rate if count else last_rate
        assert converter.wire_samples == produced
    produced += len(converter.flush()) // converter.bytes_per_sample_wire
    assert wanted - runs <= produced <= wanted + 1e-6
    assert converter.wire_samples == produced
    exact = sum(count * 1000 / rate for rate, _, _, count in frames)
    assert converter.input_ms == pytest.approx(exact)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WIRES),
    st.lists(formats, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.sampled_from([1, 40, 100]),
)
def test_batches_change_nothing_but_when_it_comes(
    wire, frames, interleaved, batch_ms
):
    at_once = FrameConverter(wire, 16000)
    batched = FrameConverter(wire, 16000, batch_ms=batch_ms)
    wanted, got = b"", b""
    for (rate, channels, width, count), mixed in zip(
        frames, interleaved, strict=False
    ):
        frame = pcm(count * channels)[: count * channels * width]
        for converter in (at_once, batched):
            out = converter.push(
                frame, rate, channels, width, interleaved=mixed
            )
            if converter is at_once:
                wanted += out
            else:
                got += out
        assert batched.input_ms == at_once.input_ms
    wanted += at_once.flush()
    got += batched.flush()
    assert got == wanted
    assert batched.wire_samples == at_once.wire_samples
    assert batched.flush() == b""


@pytest.mark.parametrize("wire", WIRES)
def test_a_batch_is_converted_at_once(wire):
    """Frames of 10 ms in, one piece every 40 ms out."""
    rate = 24000 if wire == "pcm16" else 8000
    converter = FrameConverter(wire, rate, batch_ms=40)
    frame = pcm(rate // 100)
    pieces = [len(converter.push(frame, rate, 1, 2)) for _ in range(12)]
    size = rate // 25 * converter.bytes_per_sample_wire
    assert pieces == [0, 0, 0, size] * 3


def test_wire_rate_pcm_passes_untouched():
    converter = FrameConverter("pcm16", 24000)
    assert converter.push(pcm(1000)) == pcm(1000)
    assert converter.flush() == b""


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_input_is_taken_and_not_kept(kind):
    source = bytearray(pcm(480))
    converter = FrameConverter("pcm16", 24000)
    out = converter.push(kind(source))
    source[:] = bytes(960)  # TEN reuses the buffer after unlock_buf
    assert out == pcm(480)


def test_history_is_a_copy_of_the_frame():
    one, other = FrameConverter("pcm16", 16000), FrameConverter("pcm16", 16000)
    frame = bytearray(pcm(160, seed=1))
    out = one.push(frame)
    wanted = other.push(bytes(frame))
    frame[:] = bytes(320)
    assert out + one.flush() == wanted + other.flush()
    assert one.push(pcm(800)) == other.push(pcm(800))


@pytest.mark.parametrize("channels", [2, 3, 8])
@pytest.mark.parametrize("interleaved", [True, False])
def test_channels_are_averaged_without_overflow(channels, interleaved):
    loud = np.full((50, channels), 32767, "<i2")
    loud[25:] = -32768
    layout = loud if interleaved else loud.T
    converter = FrameConverter("pcm16", 24000, channels)
    out = converter.push(layout.tobytes(), interleaved=interleaved)
    np.testing.assert_array_equal(as_samples(out), loud[:, 0])


def test_both_layouts_mean_the_same_sound():
    frames = np.frombuffer(pcm(240 * 2), "<i2").reshape(240, 2)
    converter = FrameConverter("pcm16", 24000, 2)
    mixed = converter.push(frames.tobytes())
    planar = converter.push(frames.T.tobytes(), interleaved=False)
    assert mixed == planar
    mean = frames.astype(float).mean(axis=1)
    np.testing.assert_array_equal(as_samples(mixed), np.floor(mean + 0.5))


PLANAR = [(2, 2), (8, 2), (2, 1), (5, 1)]


def planar_frames(channels: int, width: int) -> list[bytes]:
    """Five frames of 40 samples."""
    size = 40 * channels * width
    data = pcm(200 * channels)
    return [data[i * size : (i + 1) * size] for i in range(5)]


def pushed(
    converter: FrameConverter, frames: list[bytes], form: tuple[int, int]
) -> bytes:
    return b"".join(
        converter.push(frame, 16000, *form, interleaved=False)
        for frame in frames
    )


@pytest.mark.parametrize("form", PLANAR)
@pytest.mark.parametrize("changes", [False, True])
def test_bytes_too_many_cost_planar_frames_nothing_else(form, changes):
    frames = planar_frames(*form)
    for extra in range(1, form[0] * form[1]):
        converter, twin = (FrameConverter("pcm16", 16000) for _ in range(2))
        out = pushed(converter, [f + b"\x7f" * extra for f in frames], form)
        wanted = pushed(twin, frames, form)
        assert converter.input_ms == twin.input_ms == 200 / 16
        if changes:
            out += converter.push(bytes(16), 16000, *form)
            wanted += twin.push(bytes(16), 16000, *form)
        assert out + converter.flush() == wanted + twin.flush()
        cut, uneven = twin.take_lost_bytes()
        assert uneven == 0
        assert converter.take_lost_bytes() == (cut, 5 * extra)
        assert converter.take_lost_bytes() == (0, 0)


@pytest.mark.parametrize("form", PLANAR)
def test_a_planar_frame_in_two_pieces_is_one_frame(form):
    frames = planar_frames(*form)
    size = len(frames[0])
    for cut in range(1, size):
        # Two of one length, or of whole samples, are two frames.
        if cut == size // 2 or cut % (form[0] * form[1]) == 0:
            continue
        converter, twin = (FrameConverter("pcm16", 16000) for _ in range(2))
        pieces = [p for f in frames for p in (f[:cut], f[cut:])]
        assert pushed(converter, pieces, form) == pushed(twin, frames, form)
        assert converter.input_ms == twin.input_ms == 200 / 16
        assert converter.flush() == twin.flush()
        assert converter.take_lost_bytes() == (0, 0)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_g711_that_is_already_the_wire_format_is_untouched(law):
    codes = bytes(range(256)) * 3
    converter = FrameConverter(f"g711_{law}", 8000)
    assert converter.push(codes, bytes_per_sample=1) == codes
    assert converter.flush() == b""
    assert converter.wire_samples == 768
    assert converter.input_ms == 96


def test_g711_of_the_other_law_is_transcoded():
    codes = bytes(range(256))
    converter = FrameConverter("g711_ulaw", 8000, g711_input="alaw")
    samples = g711.decode(np.frombuffer(codes, np.uint8), "alaw")
    wanted = g711.encode(samples, "ulaw").tobytes()
    assert converter.push(codes, bytes_per_sample=1) == wanted


@pytest.mark.parametrize("law", [None, "ulaw", "alaw"])
def test_g711_input_becomes_pcm(law):
    codes = bytes(range(256)) * 4
    converter = FrameConverter("pcm16", 8000, g711_input=law)
    samples = g711.decode(np.frombuffer(codes, np.uint8), law or "ulaw")
    direct = FrameConverter("pcm16", 8000)
    got = converter.push(codes, bytes_per_sample=1) + converter.flush()
    wanted = direct.push(samples.astype("<i2").tobytes()) + direct.flush()
    assert got == wanted
    assert len(got) == 2 * 3 * len(codes)


def test_stereo_g711_is_mixed_even_at_the_wire_rate():
    codes = b"\xff\x80" * 40  # left silent, right at full scale
    converter = FrameConverter("g711_ulaw", 8000, 2)
    out = converter.push(codes, bytes_per_sample=1)
    values = g711.decode(np.frombuffer(out, np.uint8), "ulaw")
    assert (np.abs(values.astype(int) - 16062) < 600).all()
    assert len(out) == 40


def test_the_tail_of_the_old_rate_comes_before_the_new_one():
    converter = FrameConverter("pcm16", 16000)
    first = converter.push(pcm(160))
    assert len(first) < 2 * 240
    second = converter.push(pcm(240), rate=24000)
    assert len(first) + len(second) == 2 * (240 + 240)
    assert second.endswith(pcm(240))
    assert converter.flush() == b""


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"data": bytes(4), "rate": 3999}, "rate: 3999 Hz"),
        ({"data": bytes(4), "rate": 192001}, "rate: 192001 Hz"),
        ({"data": bytes(4), "rate": -16000}, "rate: -16000 Hz"),
        ({"data": bytes(4), "channels": 9}, "channels: 9"),
        ({"data": bytes(4), "channels": -1}, "channels: -1"),
        ({"data": bytes(4), "bytes_per_sample": 4}, "bytes_per_sample: 4"),
    ],
)
def test_malformed_frames_are_named_and_change_nothing(arguments, field):
    converter, twin = FrameConverter("pcm16", 16000), None
    twin = FrameConverter("pcm16", 16000)
    assert converter.push(pcm(160)) == twin.push(pcm(160))
    with pytest.raises(ValueError, match=f"^{field}"):
        converter.push(**arguments)
    assert converter.input_ms == 10
    assert converter.push(pcm(800)) == twin.push(pcm(800))
    assert converter.flush() == twin.flush()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("mp3", 16000), "wire: 'mp3'"),
        (("pcm16", 0), "default_rate: 0 Hz"),
        (("pcm16", 16000, 0), "default_channels: 0"),
    ],
)
def test_wrong_settings_are_named(arguments, field):
    with pytest.raises(ValueError, match=f"^{field}"):
        FrameConverter(*arguments)
    with pytest.raises(ValueError, match=r"^g711_input: 'x'"):
        FrameConverter("pcm16", 8000, g711_input="x")


def test_an_empty_frame_gives_nothing():
    converter = FrameConverter("pcm16", 16000)
    assert converter.push(b"", rate=48000, channels=2) == b""
    assert converter.input_ms == 0
