"""The parts under the turn detector: decimation, gate, levels."""

import gc
import weakref

import numpy as np
import pytest
from ten_packages.extension.openai_asr_python.audio import (
    speech as speech_model,
)
from ten_packages.extension.openai_asr_python.audio.speech import (
    EnergyGate,
    SpeechModel,
    levels_db,
)

from bench.turns.scenes import utterances


def tone(rate, hz, seconds=0.64):
    time = np.arange(int(rate * seconds)) / rate
    return (10000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def decimated(rate, samples):
    """What the model is given, seen through its public way in."""
    heard = []

    class Listener:
        def process(self, window):
            heard.append(np.array(window))
            return 0.0

        def reset(self):
            pass

    model = SpeechModel(rate)
    model._model = Listener()
    for position in range(0, len(samples), model.window):
        model.score(samples[position : position + model.window])
    model._model = None
    return np.concatenate(heard)


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
        window = SpeechModel(rate).window
        assert window == rate * 32 // 1000
        assert len(decimated(rate, np.zeros(window, np.int16))) == samples


def test_scores_tell_speech_from_silence():
    model = SpeechModel(16000)
    word = (utterances("rms")[2] * 2000).astype(np.int16)
    scores = [
        model.score(word[k : k + 512]) for k in range(0, len(word) - 511, 512)
    ]
    assert max(scores) > 0.9
    model.rest()
    assert model.score(np.zeros(512, np.int16)) < 0.2


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
    gate.is_open(80.0)
    gate.reset()
    assert not gate.is_open(0.0)


def test_nobody_who_begins_to_speak_waits_for_a_model(monkeypatch):
    """Loading is done as a stream is made, and never while it is scored."""
    streams = [SpeechModel(16000) for _ in range(4)]

    def load(rate: int) -> None:
        raise AssertionError("a model is loaded on the loop")

    monkeypatch.setattr(speech_model, "_loaded", load)
    window = np.zeros(512, np.int16)
    for stream in streams:
        stream.score(window)


def test_a_stream_that_is_gone_leaves_no_model_in_use():
    stream = SpeechModel(16000)
    stream.score(np.zeros(512, np.int16))
    model = weakref.ref(stream._model)
    del stream
    gc.collect()
    assert model() is None
