"""An audio file's bytes as the samples that engines take."""

from __future__ import annotations

import io

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]

from ..errors import ApiError, invalid_value
from ..wire_audio import Int16Array

# Rates outside are brought to the realtime side's.
_LOWEST_HZ, _HIGHEST_HZ = 8_000, 24_000
_BLOCK_S = 10
_MIN_S = 0.1
# A few megabytes of FLAC can be days of silence.
_MAX_CHANNELS = 32


def decoded(data: bytes, longest_s: float) -> tuple[Int16Array, int]:
    """Mono int16 samples and their rate in Hz; slow for long files.

    ``longest_s``: seconds; a longer file is an error. Raises ApiError.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            return _mono(file, longest_s)
    except (soundfile.SoundFileError, ValueError, TypeError):
        raise _not_audio() from None


def _mono(
    file: soundfile.SoundFile, longest_s: float
) -> tuple[Int16Array, int]:
    rate = int(file.samplerate)
    if not (1000 <= rate <= 768_000 and 1 <= file.channels <= _MAX_CHANNELS):
        raise _not_audio()
    target, resampler = rate, None
    if not _LOWEST_HZ <= rate <= _HIGHEST_HZ:
        target = _HIGHEST_HZ
        resampler = soxr.ResampleStream(rate, target, 1, dtype="float32")
    pieces: list[Int16Array] = []
    frames = 0
    while True:
        block = file.read(_BLOCK_S * rate, dtype="float32", always_2d=True)
        frames += len(block)
        if frames > longest_s * rate:
            raise _too_long(max(frames, file.frames) / rate, longest_s)
        mono = np.nan_to_num(block).clip(-1, 1).mean(1)
        if resampler is not None:
            mono = resampler.resample_chunk(mono, last=not len(block))
        scaled = np.rint(mono * 32768).clip(-32768, 32767)
        pieces.append(scaled.astype(np.int16))
        if not len(block):
            break
    if frames < _MIN_S * rate:
        raise ApiError(
            f"Audio file is too short. Minimum audio length is {_MIN_S} "
            "seconds.",
            "audio_too_short",
            "file",
        )
    return np.concatenate(pieces), target


def _not_audio() -> ApiError:
    return invalid_value(
        "file",
        "The audio file could not be decoded or its format is not supported. "
        "This server reads what libsndfile does, among it ['aiff', 'caf', "
        "'flac', 'mp3', 'oga', 'ogg', 'opus', 'wav'], but not ['m4a', 'mp4', "
        "'webm'].",
    )


def _too_long(seconds: float, longest_s: float) -> ApiError:
    return invalid_value(
        "file",
        f"audio duration {seconds:g} seconds is longer than {longest_s:g} "
        "seconds which is the maximum for this model",
    )
