"""The simulated service and call of `devkit.sim`, for tests of the core."""

from devkit.sim.call import OWNERS, Call
from devkit.sim.server import Faults, SimConnection, SimServer
from devkit.sim.state import Spoken, Violation
from devkit.sim.words import (
    NOISE,
    RATE,
    SILENCE,
    WORD_SAMPLES,
    find_speech,
    ms,
    word_audio,
)

__all__ = [
    "NOISE",
    "OWNERS",
    "RATE",
    "SILENCE",
    "WORD_SAMPLES",
    "Call",
    "Faults",
    "SimConnection",
    "SimServer",
    "Spoken",
    "Violation",
    "find_speech",
    "ms",
    "word_audio",
]
