"""What the client is told, and when, whenever the scores come."""

import asyncio
import gc
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio.converter import (
    FrameConverter,
    samples_of,
)
from ten_packages.extension.openai_asr_python.audio.turns import (
    TurnDetector,
    TurnStarted,
)
from ten_packages.extension.openai_asr_python.call import hearing
from ten_packages.extension.openai_asr_python.call.intake import Intake
from ten_packages.extension.openai_asr_python.call.scoring import (
    ScoreStream,
    Scoring,
)

from bench.turns.at_once import DetectorAtOnce, score
from bench.turns.scenes import utterances

RATE = 24000
FRAME = RATE // 100 * 2  # 10 ms, in bytes


def speech(*numbers):
    """Sentences, a second of silence around each."""
    pause = np.zeros(16000)
    pieces = [pause]
    for number in numbers:
        pieces += [utterances("rms")[number] * 0.07, pause]
    rng = np.random.default_rng(1)
    sound = np.concatenate(pieces)
    sound += rng.standard_normal(len(sound)) * 1e-4
    return (soxr.resample(sound, 16000, RATE) * 32767).astype("<i2").tobytes()


CALL = speech(2, 1, 3)


class Client:
    """Keeps what it is told, in order."""

    def __init__(self):
        self.told, self.audio, self.errors = [], bytearray(), []
        self.news = asyncio.Event()
        self.core = SimpleNamespace(speech_started=self.speech_started)

    def _tell(self, *what):
        self.told.append((len(self.audio) // 2, *what))

    def send_audio(self, data):
        self.audio += data

    def speech_started(self, onset, start=None):
        self._tell("started", onset)

    def speech_ended(self, end, boundary):
        self._tell("ended", end, boundary)

    def listened(self, quiet, known_to):
        self.quiet, self.known_to = quiet, known_to

    def tell(self, error):
        self.errors.append(error)
        self.news.set()


class Held(Scoring):
    """Answers when it is told to."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def stream(self, memory, on_answer):
        return HeldStream(memory, on_answer, self)

    def hurry(self, within_s):
        """They are told when."""

    def answer(self, count=1, problem=None):
        """True if somebody was answered."""
        answered = False
        for _ in range(count):
            if not self.asked:
                break
            answered = True
            stream, memory, window = self.asked.pop(0)
            (found,) = score(memory, [window])
            if memory is stream.memory:
                stream.on_answer(problem or found)
        return answered

    def answer_all(self):
        while self.answer():
            pass


class HeldStream(ScoreStream):
    def ask(self, windows):
        self.gathering.asked += [(self, self.memory, each) for each in windows]


class Line:
    """A call's intake, with a detector."""

    def __init__(self, scoring=None):
        self.scoring, self.client = scoring or Held(), Client()
        self.intake = Intake(
            FrameConverter("pcm16", RATE), "pcm16", self.client, self.scoring
        )
        self.listen()
        self._converter = self.intake._converter

    def listen(self):
        self.intake.listen(TurnDetector(RATE, max_turn_ms=2000))

    def hear(self, data):
        self.intake.hear(self._converter.push(data))

    def do(self, deed, number):
        if deed == "finalize":
            self.intake.finalize()
        elif deed == "other detector":
            self.listen()
        self.intake.then(lambda: self.client._tell(deed, number))


DEEDS = st.lists(
    st.tuples(
        st.integers(0, 500), st.sampled_from(["finalize", "other detector"])
    ),
    max_size=5,
)


def frames_and_deeds(size, deeds):
    """The call in frames of so many bytes, and what is done at which one."""
    at = dict(sorted(deeds))
    for number, place in enumerate(range(0, len(CALL), size)):
        yield CALL[place : place + size], at.get(number), number


class Expected:
    """The same call where each score is there at once: a frame goes to the
    client, and then what is found in it."""

    def __init__(self):
        self.client = Client()
        self._converter = FrameConverter("pcm16", RATE)
        self._listen()

    def _listen(self):
        self._start = self._converter.wire_samples
        self._ended_at = 0
        self._detector = DetectorAtOnce(RATE, max_turn_ms=2000)

    def hear(self, data):
        wire = self._converter.push(data)
        if wire:
            self.client.send_audio(wire)
            for event in self._detector.hear(samples_of(wire, "pcm16")):
                self._tell(event)

    def _tell(self, event):
        if isinstance(event, TurnStarted):
            self.client.speech_started(self._start + event.onset_sample)
            return
        self._ended_at = event.at_sample
        end = event.end_of_speech_sample
        boundary = end if event.cut else event.at_sample
        self.client.speech_ended(self._start + end, self._start + boundary)

    def do(self, deed, number):
        onset = self._detector.speech_since(self._ended_at)
        end = self._ended_at = self._detector.position
        ended = self._detector.finalize()
        if ended is not None:
            self._tell(ended)
        elif onset is not None:
            self.client.speech_started(self._start + onset)
            self.client.speech_ended(self._start + end, self._start + end)
        if deed == "other detector":
            self._listen()
        self.client._tell(deed, number)


@settings(max_examples=25)
@given(
    size=st.sampled_from([FRAME, 4 * FRAME, 7 * FRAME, 100 * FRAME]),
    deeds=DEEDS,
    delays=st.lists(st.integers(0, 12), max_size=300),
)
def test_late_scores_change_nothing(size, deeds, delays):
    expected = Expected()
    for data, deed, number in frames_and_deeds(size, deeds):
        expected.hear(data)
        if deed is not None:
            expected.do(deed, number)
    expected.do("finalize", "end")
    assert len(expected.client.told) > 6

    async def speak():
        line, answers = Line(), iter(delays)
        for data, deed, number in frames_and_deeds(size, deeds):
            line.hear(data)
            if deed is not None:
                line.do(deed, number)
            line.scoring.answer(next(answers, 3))
            quiet_to = line.intake.quiet_to
            assert quiet_to is None or quiet_to * 2 <= len(line.client.audio)
        line.do("finalize", "end")
        line.scoring.answer_all()
        return line.client

    client = asyncio.run(speak())
    assert bytes(client.audio) == CALL
    assert client.errors == []
    assert client.told == expected.client.told


async def test_what_needs_no_score_passes_at_once():
    line = Line()
    silence = bytes(100 * FRAME)
    line.hear(silence)
    assert bytes(line.client.audio) == silence
    assert line.intake.quiet_to == len(silence) // 2
    assert line.intake.speaking is False


async def test_what_waits_may_be_speech():
    line = Line()
    line.hear(CALL[: 130 * FRAME])
    assert line.scoring.asked
    sent = len(line.client.audio)
    assert sent < 130 * FRAME
    assert line.intake.speaking
    # And silence behind it waits as well.
    line.hear(bytes(100 * FRAME))
    assert len(line.client.audio) == sent
    assert line.intake.quiet_to == sent // 2


async def test_the_client_is_told_whether_anything_stands_out():
    line = Line()
    line.hear(bytes(100 * FRAME))
    assert line.client.quiet
    # Before it is known whether that is speech.
    line.hear(CALL[110 * FRAME : 130 * FRAME])
    assert line.scoring.asked
    assert not line.client.quiet
    line.scoring.answer_all()
    line.intake.finalize()
    line.hear(bytes(200 * FRAME))
    line.scoring.answer_all()
    assert line.client.quiet
    line.intake.finalize()
    assert not line.client.quiet


async def test_a_finalize_waits_for_its_scores_and_keeps_its_place():
    line, order = Line(), []
    middle = 130 * FRAME
    line.hear(CALL[:middle])
    line.intake.finalize()
    line.intake.then(lambda: order.append(len(line.client.audio)))
    line.hear(CALL[middle : 2 * middle])
    assert order == []
    line.scoring.answer_all()
    assert order == [middle]
    # The turn ended there, though more was heard by then.
    (ended,) = [t for t in line.client.told if t[0] == middle // 2][-1:]
    assert ended[1:] == ("ended", ended[2], middle // 2)


async def test_without_a_detector_nothing_waits():
    line = Line()
    line.intake.listen(None)
    line.hear(CALL)
    assert bytes(line.client.audio) == CALL
    assert (line.intake.speaking, line.intake.quiet_to) == (None, None)


async def test_a_detector_that_fails_costs_no_sound(monkeypatch):
    line = Line()
    monkeypatch.setattr(TurnDetector, "push", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        line.hear(CALL[:FRAME])
    assert bytes(line.client.audio) == CALL[:FRAME]


# -- a model that fails, or does not answer -----------------------------------


def turns(client):
    return [each[1] for each in client.told]


async def test_without_scores_the_gates_word_counts():
    line, bad = Line(), RuntimeError("no score")
    for data, _, _ in frames_and_deeds(FRAME, []):
        line.hear(data)
        line.scoring.answer(20, problem=bad)
    assert bytes(line.client.audio) == CALL
    # Told once, however often it fails.
    assert line.client.errors == [bad]
    assert turns(line.client).count("started") >= 3
    line.do("finalize", 0)
    assert turns(line.client).count("started") == turns(line.client).count(
        "ended"
    )


async def test_a_model_that_is_back_is_used_again():
    line, bad = Line(), RuntimeError("no score")
    line.hear(CALL)
    line.scoring.answer(1, problem=bad)
    # It did not answer yet: nothing waits for it.
    assert bytes(line.client.audio) == CALL
    # The answer to the one that was asked about meanwhile.
    (probe,) = [a for a in line.scoring.asked if a[1] is a[0].memory]
    line.scoring.answer_all()
    line.hear(CALL)
    assert line.client.audio != CALL * 2
    # It has missed something, so it begins anew.
    assert line.scoring.asked[0][1] is not probe[1]
    line.scoring.answer_all()
    assert bytes(line.client.audio) == CALL * 2
    assert line.client.errors == [bad]


async def test_a_model_that_fails_again_is_told_once_and_asked_again():
    line, bad = Line(), RuntimeError("no score")
    line.hear(CALL)
    while line.scoring.answer(problem=bad):
        pass
    line.hear(CALL)
    assert bytes(line.client.audio) == CALL * 2
    assert len(line.scoring.asked) == 1
    line.scoring.answer_all()
    line.hear(CALL)
    assert line.client.audio != CALL * 3
    assert line.client.errors == [bad]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(hearing, "_LOOK_S", 0.01)


async def test_a_model_that_hangs_is_told_and_costs_no_sound(impatient):
    line = Line()
    line.hear(CALL)
    assert len(line.client.audio) < len(CALL)
    await asyncio.wait_for(line.client.news.wait(), 20)
    assert [type(e) for e in line.client.errors] == [hearing.ModelSilentError]
    assert bytes(line.client.audio) == CALL
    assert turns(line.client).count("started") >= 3
    # The next ones wait for nothing, and one window at a time is asked about.
    line.scoring.asked.clear()
    line.hear(CALL)
    assert bytes(line.client.audio) == CALL * 2
    assert len(line.scoring.asked) == 0  # one is under way already
    assert len(line.client.errors) == 1


async def test_a_model_that_answers_is_given_time(impatient):
    line = Line()
    line.hear(CALL)
    while line.scoring.asked:
        await asyncio.sleep(0)
        line.scoring.answer()
    assert line.client.errors == []


@pytest.mark.parametrize("holds", [1, 2])
async def test_a_loop_that_is_held_is_no_silence_of_the_model(
    impatient, monkeypatch, holds
):
    monkeypatch.setattr(hearing, "_HELD_S", 0.02)
    monkeypatch.setattr(hearing, "_LATEST_S", 0.04)
    line = Line()
    line.hear(CALL)
    for _ in range(holds):
        # Another extension does.
        time.sleep(0.05)  # noqa: ASYNC251
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    if holds == 1:
        assert line.client.errors == []
        line.scoring.answer_all()
    else:
        # It had its chance in between.
        await asyncio.wait_for(line.client.news.wait(), 20)
    assert len(line.client.errors) == holds - 1


async def test_a_model_that_is_too_slow_for_a_call(impatient, monkeypatch):
    """It answers all the time, but ever later."""
    monkeypatch.setattr(hearing, "_LATEST_S", 0.0)
    line = Line()
    line.hear(CALL)
    while not line.client.errors:
        assert line.scoring.answer()
        await asyncio.sleep(0.001)
    assert [type(e) for e in line.client.errors] == [hearing.ModelSilentError]
    assert bytes(line.client.audio) == CALL


async def test_the_end_waits_for_scores_and_then_for_nothing():
    line = Line()
    line.hear(CALL)
    line.intake.finalize()
    settled = asyncio.ensure_future(line.intake.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    line.scoring.answer_all()
    await settled
    assert bytes(line.client.audio) == CALL
    line.hear(CALL)
    line.intake.close()
    assert bytes(line.client.audio) == CALL * 2
    line.hear(CALL)
    assert bytes(line.client.audio) == CALL * 3
    assert line.client.errors == []


@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("switched", [True, False])
async def test_a_call_that_is_over_is_not_kept_by_a_model_that_hangs(
    impatient, silent, switched
):
    """Nor by what an earlier detector of it asked."""
    scoring = Held()
    line = Line(scoring)
    line.hear(CALL)
    if silent or switched:
        await asyncio.wait_for(line.client.news.wait(), 20)
    if switched:
        line.listen()
        line.hear(CALL)
    line.intake.close()
    gone = weakref.ref(line.client)
    del line
    # What a timer or a task holds goes with the next rounds of the loop.
    await asyncio.sleep(0)
    gc.collect()
    assert scoring.asked
    assert gone() is None


class InHurry(Held):
    """Answers at once, what must not wait for others; nothing else."""

    due = 0

    def hurry(self, within_s):
        if not within_s:
            self.due = len(self.asked)

    def answer_due(self):
        while self.due:
            self.due -= 1
            self.answer()


async def test_who_waits_for_scores_waits_for_no_gathering():
    """Also where each of them tells whether the next one is needed, because
    the turn may be cut."""
    line = Line(InHurry())
    line.intake.listen(
        TurnDetector(RATE, silence_duration_ms=10_000, max_turn_ms=2500)
    )
    line.hear(speech(2))
    line.scoring.answer_all()
    for _ in range(100):
        line.hear(bytes(FRAME))
    line.scoring.answer_due()
    assert line.intake.speaking
    line.do("finalize", 1)
    line.scoring.answer_due()
    assert not line.scoring.asked
    assert line.client.told[-1][1:] == ("finalize", 1)


async def test_what_is_quiet_in_a_turn_is_asked_about_as_it_comes():
    line = Line()
    line.intake.listen(TurnDetector(RATE, silence_duration_ms=10_000))
    line.hear(speech(2))
    line.scoring.answer_all()
    for _ in range(400):
        line.hear(bytes(FRAME))
    # Of 32 ms each; the last is not whole yet.
    assert len(line.scoring.asked) >= 4000 // 32 - 1
