"""Is the input of a call as it should be: in time, loud enough, of the format
that it is said to have?  What cannot be known for sure is a hint."""

from __future__ import annotations

from collections.abc import Iterator

from devkit.sessions.recording import Frames

from .happened import Happenings
from .levels import Levels
from .remedies import Advice
from .timeline import Timeline

#: No frame for so long is told, in ms of the wall clock.
_GAP_MS = 500.0
#: What then comes within this time faster than time goes by was late, in ms;
#: what does not was never said (mute).
_CATCH_UP_MS = 3000.0
_CAUGHT_UP = 0.5
#: Audio that comes so much faster or slower than time goes by, all along, has
#: another rate than it says, or comes from a file.
_FAST, _SLOW = 1.25, 0.8
#: Less cannot be told from the start of a call, in ms.
_LEAST_MS = 3000.0

_MUTE_DBFS, _QUIET_DBFS = -40.0, -30.0
_CLIPPED_SHARE, _OFFSET_SHARE, _NOISE_SHARE = 0.001, 0.05, 0.8
#: So many loud windows (of 32 ms) are enough to judge by.
_LEAST_LOUD = 30

_LATE = Advice(
    "Frames came late, then in a burst",
    "The network, or the sender, held them back: texts are late by as much. A"
    " larger bound keeps a turn from being ended there.",
    ("gap_timeout_ms",),
)
_NONE = Advice(
    "No audio came",
    "The caller was muted, or packets were lost; an open turn ends after a"
    " while. The time axis stands still there.",
    ("gap_timeout_ms",),
)
_FED_FAST = Advice(
    "Audio came faster than time goes by",
    "Either a file was played in quickly, and then the latencies say little;"
    " or the frames are of a lower rate than they say, and the voices sound"
    " too low: check the sender's rate.",
    ("sample_rate",),
)
_FED_SLOWLY = Advice(
    "Audio came slower than time goes by",
    "Either frames are missing all along (discontinuous transmission), or"
    " they are of a higher rate than they say, and the voices sound too high:"
    " check the sender's rate.",
    ("sample_rate",),
)
_SILENCE = Advice(
    "The input is silent: nothing but zeros",
    "The microphone is off, or the wrong track is connected.",
)
_MUTE = Advice(
    "The microphone is nearly mute",
    "Raise its gain; so quiet a voice is mostly not detected.",
    ("turn_detection.threshold",),
)
_QUIET = Advice(
    "The input is quiet",
    "Raise the gain of the microphone if words are missing.",
    ("turn_detection.threshold",),
)
_CLIPS = Advice(
    "The input clips",
    "Lower the gain of the microphone: what is cut off is heard wrongly.",
)
_OFFSET = Advice(
    "The input has a constant offset",
    "A hint: a sound card does that, or samples that are unsigned, or read at"
    " the wrong byte.",
    ("sample_rate", "channels"),
)
_NOISE = Advice(
    "The input sounds like noise",
    "A hint: 8-bit or compressed audio, or samples of the other byte order,"
    " sound like this when they are read as 16-bit PCM. Listen to it, and"
    " check the frames' width and format.",
    ("g711_input", "channels"),
)
_NOTHING = Advice(
    "No audio came at all",
    "No frame named pcm_frame reached the extension: check the graph's"
    " connections.",
)


def add_times(
    happenings: Happenings, frames: list[Frames], timeline: Timeline
) -> None:
    """How the frames came."""
    if not timeline.total_ms:
        happenings.add("bad", _NOTHING, 0.0)
        return
    speed = speed_of(timeline)
    if speed is not None and speed >= _FAST:
        text = f"{speed:.1f} times as fast"
        happenings.add("info", _FED_FAST, timeline.first_at, text)
        return
    gaps = list(_gaps(frames))
    missing = sum(length for _, length in gaps)
    if speed is not None and speed * _spread(timeline, missing) <= _SLOW:
        text = f"{speed:.2f} times as fast"
        happenings.add("warn", _FED_SLOWLY, timeline.first_at, text)
    for start, length in gaps:
        # What came in the gap's stead.
        after = start + length
        until = min(after + _CATCH_UP_MS, timeline.last_at)
        came = timeline.position(until) - timeline.position(start)
        late = came - (until - after) >= _CAUGHT_UP * min(length, _CATCH_UP_MS)
        text = f"for {length / 1000:.1f} s"
        advice = _LATE if late else _NONE
        happenings.add("warn" if late else "info", advice, start, text)


def speed_of(timeline: Timeline) -> float | None:
    """How much faster than time goes by the audio came; None where there is
    too little to tell."""
    wall = timeline.last_at - timeline.first_at
    if timeline.total_ms < _LEAST_MS:
        return None
    return timeline.total_ms / max(wall, 1.0)


def _spread(timeline: Timeline, missing: float) -> float:
    """What becomes of the speed without the gaps."""
    wall = max(timeline.last_at - timeline.first_at, 1.0)
    return wall / max(wall - missing, 1.0)


def _gaps(frames: list[Frames]) -> Iterator[tuple[float, float]]:
    """When no frame came for long, and for how long (ms)."""
    last: float | None = None
    for line in frames:
        if last is not None and line.start - last >= _GAP_MS:
            yield last, line.start - last
        last = max(last or 0.0, line.until)


def add_levels(happenings: Happenings, levels: Levels) -> None:
    """How it sounds."""
    if not levels.samples:
        return
    if not levels.peak:
        happenings.add("bad", _SILENCE, 0.0)
        return
    peak = levels.peak_dbfs
    text = f"its peak is {peak:.0f} dBFS"
    if peak < _MUTE_DBFS:
        happenings.add("warn", _MUTE, 0.0, text)
    elif peak < _QUIET_DBFS:
        happenings.add("info", _QUIET, 0.0, text)
    if levels.clipped_share >= _CLIPPED_SHARE:
        text = f"{100 * levels.clipped_share:.1f} % of the samples"
        happenings.add("warn", _CLIPS, 0.0, text)
    if levels.offset_share >= _OFFSET_SHARE:
        text = f"{100 * levels.offset_share:.0f} % of the scale"
        happenings.add("info", _OFFSET, 0.0, text)
    if levels.loud >= _LEAST_LOUD and levels.noise_share >= _NOISE_SHARE:
        happenings.add("info", _NOISE, 0.0)
