"""Times to places in the audio, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devkit.report.timeline import Timeline
from devkit.sessions.recording import Frames


def line(start: float, until: float, count: int, size: int = 320) -> Frames:
    return Frames(start, until, count, size, 16000, 1, 2)


def test_frames_of_a_line_are_spread_evenly():
    timeline = Timeline([line(100, 1090, 100)], 8000, 2)
    assert timeline.total_ms == 1000
    assert timeline.position(99.9) == 0
    # The first frame has come then, the last one at the end.
    assert timeline.position(100) == 10
    assert timeline.position(595) == pytest.approx(505)
    assert timeline.position(5000) == 1000
    assert timeline.came_at(5) == 100
    assert timeline.came_at(505) == pytest.approx(595)
    assert timeline.came_at(1000) == 1090
    assert timeline.came_at(1100) is None


def test_audio_stands_still_while_nothing_comes():
    timeline = Timeline([line(0, 90, 10), line(5000, 5090, 10)], 16000, 1)
    assert timeline.position(90) == timeline.position(4999) == 100
    assert timeline.position(5000) == 110
    assert timeline.came_at(100) == 90
    assert timeline.came_at(101) == 5000


@pytest.mark.parametrize(
    ("frames", "ms"),
    [
        (Frames(0, 0, 1, 320, 16000, 1, 2), 10),
        (Frames(0, 0, 1, 1920, 48000, 2, 2), 10),
        (Frames(0, 0, 1, 80, 8000, 1, 1), 10),
        # What it does not say is as configured: 8 kHz, two channels.
        (Frames(0, 0, 1, 320, 0, 0, 0), 10),
        # Nobody takes these.
        (Frames(0, 0, 1, 320, 1, 1, 2), 0),
        (Frames(0, 0, 1, 320, 16000, 9, 2), 0),
        (Frames(0, 0, 1, 320, 16000, 1, 4), 0),
    ],
)
def test_bytes_are_ms_by_the_format(frames, ms):
    assert Timeline([frames], 8000, 2).total_ms == ms


def test_a_call_without_audio_has_one_place():
    timeline = Timeline([], 16000, 1)
    assert timeline.position(1e9) == timeline.total_ms == 0
    assert timeline.came_at(0) is None


times = st.floats(0, 1e6)
#: Also lines that go back in time, as only a made-up log has them.
lines = st.lists(
    st.builds(
        lambda start, length, count: line(start, start + length, count),
        times,
        st.floats(0, 2000),
        st.integers(1, 100),
    ),
    max_size=8,
)


@given(lines, times, times)
def test_time_and_place_go_on_together(frames, first, second):
    timeline = Timeline(frames, 16000, 1)
    early, late = sorted((first, second))
    assert 0 <= timeline.position(early) <= timeline.position(late)
    assert timeline.position(late) <= timeline.total_ms
    place = timeline.position(late)
    came = timeline.came_at(place)
    if place:
        assert came is not None
        assert came <= late + 1e-6
