"""An audio file as frames of 16-bit PCM."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile  # type: ignore[import-untyped]

_APP = Path(__file__).parents[3]
_ERRORS = (soundfile.SoundFileError, OSError, TypeError, ValueError)


def open_audio(name: str) -> soundfile.SoundFile:
    """Open any file that libsndfile reads (wav, flac, ogg, mp3, …).

    A relative path is looked up in the working directory, then in the app.
    A ValueError says in one line what is wrong with the file.
    """
    path = Path(name).expanduser()
    if not path.exists() and (_APP / path).exists():
        path = _APP / path
    if not path.exists():
        raise ValueError(f"{path}: no such file")
    if path.is_dir():
        raise ValueError(f"{path}: is a directory, not an audio file")
    try:
        file = soundfile.SoundFile(path)
    except _ERRORS as error:
        why = getattr(error, "error_string", error)
        raise ValueError(
            f"{path}: not an audio file that can be read ({why})"
        ) from error
    if not file.frames:
        raise ValueError(f"{path}: contains no audio")
    return file


def pcm_frames(
    file: soundfile.SoundFile, frame_ms: int, tail_ms: int
) -> Iterator[bytes]:
    """The file, then `tail_ms` of silence, as interleaved 16-bit samples.

    Frames end at exact multiples of `frame_ms`, also where that is no whole
    number of samples (11025 Hz); the last one of the file is shorter.
    """
    rate = file.samplerate
    end_ms = position = wanted = 0
    with file:
        while position == wanted:
            end_ms += frame_ms
            wanted = end_ms * rate // 1000
            # As floats: libsndfile scales no float file to integers.
            try:
                wave = file.read(wanted - position, "float32", always_2d=True)
            except _ERRORS as error:
                why = getattr(error, "error_string", error)
                raise ValueError(f"{file.name}: damaged ({why})") from error
            position += len(wave)
            samples = np.nan_to_num(np.rint(wave * 32768.0))
            if len(wave):
                yield samples.clip(-32768, 32767).astype("<i2").tobytes()
    for _ in range(0, tail_ms, frame_ms):
        yield bytes(max(1, rate * frame_ms // 1000) * file.channels * 2)
