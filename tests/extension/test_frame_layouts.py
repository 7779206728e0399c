"""Planar frames, frames of an unknown layout, and changes between them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from ten_runtime import AudioFrameDataFmt

from devkit.calls import pcm_frame

MIXED, APART = AudioFrameDataFmt.INTERLEAVE, AudioFrameDataFmt.NON_INTERLEAVE

#: Bytes, channels, layout.
Piece = tuple[bytes, int, int]


def stereo(apart: bool = True, size: int = 320) -> list[bytes]:
    """Two turns, in frames of ``size`` samples that are the same on both
    sides."""
    audio, _ = spoken([[1, 2, 3], [4]])
    parts = [audio[i : i + size] for i in range(0, len(audio), size)]
    mix = np.tile if apart else np.repeat
    return [mix(part, 2).tobytes() for part in parts]


def heard(server, pieces: Iterable[Piece], words: str) -> list[str]:
    """The messages of the errors of a call that is heard all the same."""

    async def script(call: Call) -> None:
        for data, channels, layout in pieces:
            frame = pcm_frame(data, 16000, channels)
            frame.set_data_fmt(layout)
            await call.env.send_audio_frame(frame)
        await call.until_finalized("end")

    call = run_call(properties(server.url), script)
    assert " ".join(call.texts) == words
    assert set(call.codes) <= {1000}
    return [error["message"] for error in call.errors]


ALL = " ".join(text_of([1, 2, 3], [4]))


def test_a_byte_too_much_costs_planar_frames_nothing_else(server):
    frames = [frame + b"\x7f" for frame in stereo()]
    told = heard(server, [(frame, 2, APART) for frame in frames], ALL)
    # Each waits until the next one shows that it is no half of it.
    uneven = (
        "audio frame: its channels are not equally long, 1 byte(s) are lost"
    )
    assert told == [
        f"{uneven} at {at} ms"
        for at in (20, 200, 2000)
        if at < 20 * len(frames)
    ]


@pytest.mark.parametrize("cut", [641, 639, 1279, 1, 2, 638])
def test_planar_frames_in_two_pieces_lose_nothing(server, cut):
    pieces = [p for f in stereo() for p in (f[:cut], f[cut:])]
    assert heard(server, [(p, 2, APART) for p in pieces if p], ALL) == []


@pytest.mark.parametrize(("before", "after"), [(MIXED, APART), (APART, MIXED)])
def test_mono_of_another_layout_drops_the_odd_byte(server, before, after):
    audio, _ = spoken([[1, 2, 3], [4]])
    raw = audio.tobytes()
    frames = [raw[i : i + 640] for i in range(0, len(raw), 640)]
    first = [(frame, 1, before) for frame in frames[:50]]
    stray = [(b"\x07", 1, before)]
    rest = [(frame, 1, after) for frame in frames[50:]]
    [told] = heard(server, first + stray + rest, ALL)
    assert told == (
        "audio frame: the format changed in the middle of a sample,"
        " 1 byte(s) of it are lost at 1000 ms"
    )


@pytest.mark.parametrize("layout", [0, 7, -1])
def test_an_unknown_layout_is_told_once_and_taken_for_interleaved(
    server, layout
):
    pieces = [(frame, 2, layout) for frame in stereo(apart=False)]
    [told] = heard(server, pieces, ALL)
    # TEN reads it back as a number without a sign.
    shown = told.partition(" is neither 1 ")[0]
    assert shown.startswith("audio frame: data_fmt ")
    assert int(shown.rpartition(" ")[2]) % 2**32 == layout % 2**32


def test_a_refused_frame_is_told_with_place_and_length(server):
    frames = [(frame, 2, APART) for frame in stereo()]
    frames.insert(50, (bytes(900), 9, APART))
    assert heard(server, frames, ALL) == [
        "audio frame refused: channels: 9 is outside 1 to 8;"
        " 900 bytes at 1000 ms are lost"
    ]
