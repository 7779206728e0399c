"""8-bit frames of a telephony graph, from the frame to the server."""

from __future__ import annotations

import numpy as np
import pytest
from asr_call import Call, properties, run_call
from ten_packages.extension.openai_asr_python.audio.g711 import decode, encode

from devkit.server import ServerThread
from devkit.server.script_engine import ScriptEngine

#: All codes but µ-law's second zero, which decodes like the first one.
CODES = np.array([code for code in range(256) if code != 0x7F], np.uint8)
WIRES = {"ulaw": "g711_ulaw", "alaw": "g711_alaw"}


class Ear(ScriptEngine):
    """Keeps the samples that the server decoded."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    async def transcribe(self, samples, rate):
        assert rate == 8000
        self.heard.append(samples.copy())
        return "heard"


def codes() -> np.ndarray:
    random = np.random.default_rng(7)
    return np.concatenate([CODES, random.choice(CODES, 16000 - len(CODES))])


def heard_with(**params) -> np.ndarray:
    ear = Ear()
    with ServerThread(ear) as server:

        async def script(call: Call) -> None:
            await call.send(codes().tobytes(), 8000, width=1)
            await call.until_finalized("end")

        config = properties(
            server.url, turn_detection={"type": "none"}, **params
        )
        call = run_call(config, script)
    assert call.errors == []
    assert call.texts == ["heard"]
    return np.concatenate(ear.heard)


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
@pytest.mark.parametrize("said", [True, False])
def test_frames_in_the_wires_format_pass_untouched(law, said):
    """Without `g711_input`, 8-bit frames are taken for the wire's format."""
    params = {"g711_input": f"g711_{law}"} if said else {}
    heard = heard_with(input_audio_format=WIRES[law], **params)
    assert np.array_equal(heard, decode(codes(), law))


@pytest.mark.parametrize(("law", "other"), [("ulaw", "alaw"), ("alaw", "ulaw")])
def test_frames_in_the_other_format_are_transcoded(law, other):
    heard = heard_with(input_audio_format=WIRES[other], g711_input=law)
    expected = decode(encode(decode(codes(), law), other), other)
    assert np.array_equal(heard, expected)
    assert not np.array_equal(heard, decode(codes(), other))
