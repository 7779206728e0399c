"""The audio of a call: as it was heard, how loud, and as a file for a page."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

from devkit.bootstrap import ensure_ten
from devkit.sessions.recording import Recording

from .levels import Levels
from .timeline import Timeline

if TYPE_CHECKING:
    from ten_packages.extension.openai_asr_python.audio import g711

#: What the product makes of all input, in Hz; the page has the same.
RATE = 24_000
#: MP3 of a constant bit rate, as every browser plays it and finds a place in
#: it by counting.  Ten minutes at 24 kHz, and how far from a place that was
#: asked for Chromium began to play (the worst of five places): this, 32 kbit/s,
#: 2.4 MB and 28 ms; MP3 of a variable rate 3.0 MB and 439 ms; Ogg Opus 2.8 MB
#: and less than 1 ms, but Safari plays that from 18.4 on only; FLAC up to 14.7
#: MB and less than 1 ms.  An hour is 14.4 MB, 19 MB as base64.
_MP3 = {
    "format": "MP3",
    "bitrate_mode": "CONSTANT",
    "compression_level": 0.85,
}
#: Where libsndfile was built without MP3.
_FLAC = {"format": "FLAC", "subtype": "PCM_16"}
#: The shape is told in so many steps a second, but in no more than this.
_STEPS_A_SECOND = 50
_MOST_STEPS = 400_000
#: Input is read in pieces of this size, in bytes.
_PIECE = 1 << 20


@dataclass(frozen=True)
class Sound:
    """What a page needs: the encoded audio (empty where it is left out), its
    type, the loudness of each step as a byte (half dB above -100 dBFS), the
    steps' length in ms, and what the levels say."""

    data: bytes
    media_type: str
    shape: bytes
    step_ms: float
    levels: Levels


def sound_of(
    recording: Recording, timeline: Timeline, *, playable: bool
) -> Sound:
    """Hear the whole call; ``playable``: encode it as well.

    Raises `RecordingError` where there is no audio.
    """
    form = _MP3 if "MP3" in soundfile.available_formats() else _FLAC
    seconds = timeline.total_ms / 1000
    a_second = min(_STEPS_A_SECOND, _MOST_STEPS / max(seconds, 1.0))
    # No part of a sample, so that no step drifts.
    step = max(1, round(RATE / a_second))
    shape, levels = bytearray(), Levels(RATE)
    target = io.BytesIO()
    with contextlib.ExitStack() as stack:
        pieces = _pieces(recording, timeline)
        file: Any = None
        left = np.zeros(0, np.int16)
        for samples in pieces:
            if playable:
                if file is None:
                    file = stack.enter_context(
                        soundfile.SoundFile(
                            target, "w", samplerate=RATE, channels=1, **form
                        )
                    )
                file.write(samples)
            levels.add(samples)
            left = np.concatenate((left, samples))
            whole = len(left) // step * step
            shape += _loudness(left[:whole].reshape(-1, step))
            left = left[whole:]
        if len(left):
            shape += _loudness(left.reshape(1, -1))
    media_type = "audio/mpeg" if form is _MP3 else "audio/flac"
    return Sound(
        target.getvalue(), media_type, bytes(shape), step * 1000 / RATE, levels
    )


def _pieces(
    recording: Recording, timeline: Timeline
) -> Iterator[npt.NDArray[np.int16]]:
    """The audio of the call as the product hears it, in pieces."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.audio.converter import (
        FrameConverter,
    )

    converter = FrameConverter(
        "pcm16", *timeline.default, g711_input=_law(recording)
    )
    with recording.open_audio() as file:
        for frames in recording.frames:
            left = frames.count * frames.size
            form = timeline.form(frames)
            taken = timeline.frame_ms(frames) > 0
            while left:
                data = file.read(min(left, _PIECE))
                if not data:
                    break
                left -= len(data)
                if taken:
                    yield np.frombuffer(converter.push(data, *form), "<i2")
    yield np.frombuffer(converter.flush(), "<i2")


def _law(recording: Recording) -> g711.Law | None:
    law = recording.config.get("g711_input")
    if law in ("ulaw", "alaw"):
        return "alaw" if law == "alaw" else "ulaw"
    wire = recording.config.get("input_audio_format")
    return "alaw" if wire == "g711_alaw" else None


def _loudness(steps: npt.NDArray[np.int16]) -> bytes:
    """The peak of each row, in half dB above -100 dBFS."""
    peaks = np.abs(steps.astype(np.int32)).max(axis=1, initial=0)
    db = 20 * np.log10(np.maximum(peaks, 0.3) / 32768)
    halves: npt.NDArray[np.uint8] = np.clip(2 * (db + 100), 0, 200).astype("u1")
    return halves.tobytes()
