"""The simulated service and call of `bench.soak`, for tests of the core."""

from bench.soak.sim_call import OWNERS, Call, Spoken
from bench.soak.sim_server import Faults, SimConnection, SimServer
from bench.soak.watch import Violation
from bench.soak.words import (
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
