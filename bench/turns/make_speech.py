"""Speak the sentences of the turn benchmark with flite, into FLAC.

Usage: python -m bench.turns.make_speech      (needs Debian's "flite")

Writes bench/turns/speech/VOICE_NN.flac, 16 kHz mono, without the silence
that flite puts at both ends, so that a recording's ends are the speech's.
The results are committed: the score itself needs no flite.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

SPEECH = Path(__file__).resolve().parent / "speech"
RATE = 16000
VOICES = ("rms", "slt", "awb")
SENTENCES = (
    "Yes.",
    "No, thank you.",
    "Could you tell me when the next train to Berlin leaves?",
    "I would like to change my booking.",
    "Seven four two, nine nine zero, one five.",
    "Please hold on.",
    "She sells fresh fish at the harbour every Saturday morning.",
    "Half past six suits me fine.",
    "Hello?",
    "The first invoice was wrong, and the second one never arrived.",
    "What is the weather like?",
    "Stop.",
)
_QUIET_DB = -46.0  # below the loudest 10 ms: not yet or no longer speech


def trimmed(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Cut what is quieter than the loudest 10 ms by `_QUIET_DB`."""
    step = RATE // 100
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    power = (frames.astype(np.float64) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (_QUIET_DB / 10))
    return samples[loud[0] * step : (loud[-1] + 1) * step]


def speak(text: str, voice: str, wav: Path) -> npt.NDArray[np.int16]:
    """`text` by `voice` as int16 at 16 kHz."""
    subprocess.run(
        ["flite", "-voice", voice, "-t", text, "-o", str(wav)], check=True
    )
    samples, rate = soundfile.read(wav, dtype="int16")
    if rate != RATE:
        raise ValueError(f"{voice}: {rate} Hz instead of {RATE}")
    result: npt.NDArray[np.int16] = samples
    return result


def main() -> int:
    """0 done, 1 flite failed, 2 flite is missing."""
    if shutil.which("flite") is None:
        print("make_speech: flite is not installed", file=sys.stderr)
        return 2
    SPEECH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        wav = Path(directory) / "speech.wav"
        for voice in VOICES:
            for number, text in enumerate(SENTENCES):
                path = SPEECH / f"{voice}_{number:02d}.flac"
                try:
                    samples = trimmed(speak(text, voice, wav))
                except (subprocess.CalledProcessError, ValueError) as error:
                    print(f"make_speech: {path.name}: {error}", file=sys.stderr)
                    return 1
                soundfile.write(path, samples, RATE, subtype="PCM_16")
    return 0


if __name__ == "__main__":
    sys.exit(main())
