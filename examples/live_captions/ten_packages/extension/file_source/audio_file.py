"""An audio file read as frames of 16-bit PCM."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]

# Read ahead by this much: small enough to stay in the cache, large
# enough that the disk is asked seldom.
_BLOCK_MS = 1000


class AudioFileError(Exception):
    """The file cannot be played; the message is one line naming it."""


@dataclass(frozen=True)
class Frame:
    """A piece of audio: interleaved little-endian 16-bit samples.

    `start_ms` is its place in the audio, `samples` counts per channel.
    """

    pcm: bytes
    samples: int
    start_ms: int


class AudioFile:
    """Reads any format that libsndfile knows (wav, flac, ogg, mp3, …).

    Raises:
        AudioFileError: if it is missing, no audio, or empty.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise AudioFileError(f"{path}: no such file")
        if path.is_dir():
            raise AudioFileError(f"{path}: is a directory, not an audio file")
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            # TypeError: what soundfile raises for headerless ".raw".
            raise AudioFileError(
                f"{path}: not an audio file that can be read ({_why(error)})"
            ) from error
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.duration_ms: int = self._file.frames * 1000 // self.sample_rate
        self._path = path
        # A cancelled task closes the file while a thread still reads.
        self._lock = threading.Lock()
        if self._file.frames <= 0:
            self._file.close()
            raise AudioFileError(f"{path}: contains no audio")

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._file.close()

    def blocks(self, frame_ms: int) -> Iterator[list[Frame]]:
        """The whole file as lists of frames, about a second each.

        Frames are cut at exact multiples of `frame_ms`, also where that
        is no whole number of samples (11025 Hz); the last is shorter.

        Raises:
            AudioFileError: if the file turns out to be damaged.
        """
        rate = self.sample_rate
        per_block = max(1, _BLOCK_MS // frame_ms)
        number = position = 0
        while True:
            ends = [
                (number + k + 1) * frame_ms * rate // 1000
                for k in range(per_block)
            ]
            pcm = self._read(ends[-1] - position)
            block: list[Frame] = []
            for k, end in enumerate(ends):
                start = position
                position = min(end, start + len(pcm))
                piece, pcm = pcm[: position - start], pcm[position - start :]
                if len(piece):
                    start_ms = (number + k) * frame_ms
                    block.append(Frame(piece.tobytes(), len(piece), start_ms))
            if block:
                yield block
            if position < ends[-1]:
                return
            number += per_block

    def _read(self, samples: int) -> "np.ndarray[Any, np.dtype[np.int16]]":
        # Read as float: libsndfile does not scale float files when asked
        # for integers. 16-bit samples come through unchanged.
        try:
            with self._lock:
                block = self._file.read(
                    samples, dtype="float32", always_2d=True
                )
        except (soundfile.SoundFileError, OSError) as error:
            raise AudioFileError(
                f"{self._path}: damaged ({_why(error)})"
            ) from error
        scaled = np.nan_to_num(np.rint(block * 32768.0))
        samples_16: np.ndarray[Any, np.dtype[np.int16]] = np.clip(
            scaled, -32768, 32767
        ).astype("<i2")
        return samples_16


def silence(
    sample_rate: int, channels: int, start_ms: int, length_ms: int
) -> Frame:
    """A frame of `length_ms` of digital silence."""
    samples = max(1, sample_rate * length_ms // 1000)
    return Frame(bytes(samples * channels * 2), samples, start_ms)


def _why(error: Exception) -> str:
    reason = getattr(error, "error_string", None) or str(error)
    return " ".join(str(reason).split()).rstrip(".")
