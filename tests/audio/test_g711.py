"""Both laws against the standard's tables of segments, for every int16."""

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio import g711

EVERY = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
CODES = np.arange(256, dtype=np.uint8)

# ITU-T G.711, column "value at segment end points": the lower edge of each
# of the 8 segments, then the width of its 16 steps.
ULAW_SEGMENTS = [
    (-1, 2), (31, 4), (95, 8), (223, 16),
    (479, 32), (991, 64), (2015, 128), (4063, 256),
]  # fmt: skip
ALAW_SEGMENTS = [
    (0, 2), (32, 2), (64, 4), (128, 8),
    (256, 16), (512, 32), (1024, 64), (2048, 128),
]  # fmt: skip


def magnitude_of(sample: int, scale: int) -> int:
    """One's-complement magnitude on the law's own scale (ITU-T G.191)."""
    return (sample if sample >= 0 else -1 - sample) // scale


def segment_and_step(
    magnitude: int, segments: list[tuple[int, int]]
) -> tuple[int, int]:
    for segment in range(7, -1, -1):
        edge, width = segments[segment]
        if magnitude >= edge:
            return segment, (magnitude - edge) // width
    raise AssertionError(magnitude)


def ulaw_code(sample: int) -> int:
    segment, step = segment_and_step(
        min(magnitude_of(sample, 4), 8158), ULAW_SEGMENTS
    )
    # Table 2: sign bit 1 for positive, and every magnitude bit inverted.
    bits = ("1" if sample >= 0 else "0") + "".join(
        "10"[int(bit)] for bit in f"{segment:03b}{step:04b}"
    )
    return int(bits, 2)


def alaw_code(sample: int) -> int:
    segment, step = segment_and_step(magnitude_of(sample, 8), ALAW_SEGMENTS)
    # Table 1, note: the even bits (2, 4, 6, 8 counted from the sign) turn.
    bits = ("1" if sample >= 0 else "0") + f"{segment:03b}{step:04b}"
    return int(
        "".join(
            bit if place % 2 == 0 else "10"[int(bit)]
            for place, bit in enumerate(bits)
        ),
        2,
    )


def middle(code: int, law: str) -> int:
    """The quantised value y_n, half way between two decision values."""
    bits = f"{code:08b}"
    if law == "ulaw":
        plain = "".join("10"[int(bit)] for bit in bits[1:])
        segments, scale = ULAW_SEGMENTS, 4
    else:
        plain = "".join(
            bit if place % 2 == 0 else "10"[int(bit)]
            for place, bit in enumerate(bits)
        )[1:]
        segments, scale = ALAW_SEGMENTS, 8
    edge, width = segments[int(plain[:3], 2)]
    value = edge + int(plain[3:], 2) * width + width // 2
    return scale * (value if bits[0] == "1" else -value)


@pytest.mark.parametrize(
    ("law", "reference"), [("ulaw", ulaw_code), ("alaw", alaw_code)]
)
def test_every_sample_gets_the_standard_code(law, reference):
    expected = [reference(int(sample)) for sample in EVERY]
    np.testing.assert_array_equal(g711.encode(EVERY, law), expected)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_every_code_gets_the_standard_value(law):
    expected = [middle(int(code), law) for code in CODES]
    np.testing.assert_array_equal(g711.decode(CODES, law), expected)


def test_known_codes():
    """Silence and full scale as they are seen on telephone lines."""
    samples = np.array([0, 32767, -32768], np.int16)
    assert g711.encode(samples, "ulaw").tobytes() == b"\xff\x80\x00"
    assert g711.encode(samples, "alaw").tobytes() == b"\xd5\xaa\x2a"


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_a_second_transcoding_changes_nothing(law):
    once = g711.decode(g711.encode(EVERY, law), law)
    np.testing.assert_array_equal(
        g711.decode(g711.encode(once, law), law), once
    )


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_shapes_are_kept_and_tables_cannot_be_written(law):
    codes = g711.encode(EVERY.reshape(256, 256), law)
    assert codes.shape == (256, 256)
    assert g711.encode(EVERY[:0], law).shape == (0,)
    codes[:] = 0  # a copy, not the table
    assert g711.encode(EVERY, law).any()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="law: 'mulaw'"):
        g711.encode(EVERY, "mulaw")
    with pytest.raises(ValueError, match="law: ''"):
        g711.decode(CODES, "")
    with pytest.raises(TypeError, match="samples: int16"):
        g711.encode(EVERY.astype(np.int32), "ulaw")
    with pytest.raises(TypeError, match="codes: uint8"):
        g711.decode(EVERY, "ulaw")
