"""From the frames of a call to wire audio and local turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..audio.converter import FrameConverter, Wire
from ..audio.g711 import Law, decode
from ..audio.turns import Event, LocalTurnDetector, TurnEnded, TurnStarted


@dataclass(frozen=True)
class SpeechStarted:
    """The detector heard speech from sample ``onset`` of the call on."""

    onset: int


@dataclass(frozen=True)
class SpeechEnded:
    """It ended at sample ``end`` of the call; its turn, at ``boundary``."""

    end: int
    boundary: int


#: Wire audio, or what the detector found in that before.
ClientInput = bytes | SpeechStarted | SpeechEnded


class Intake:
    """Converts frames and, with a detector, listens to the result.

    What `push` and `finalize` return is to be iterated, and taken in that
    order, before the next call.
    """

    def __init__(self, converter: FrameConverter, wire: Wire) -> None:
        self._converter = converter
        self._wire = wire
        self._detector: LocalTurnDetector | None = None
        self._detector_start = 0
        self._ended_at = 0

    def listen(self, detector: LocalTurnDetector | None) -> None:
        """Let this detector hear what comes from now on; None: no one.

        Call `finalize` before: the last one may have a turn open.
        """
        self._detector = detector
        self._detector_start = self._converter.wire_samples
        self._ended_at = 0

    @property
    def received_ms(self) -> float:
        """Audio received so far, in ms, from exact counts."""
        return self._converter.input_ms

    def push(
        self,
        data: bytes | bytearray,
        rate: int,
        channels: int,
        width: int,
        interleaved: bool = True,
    ) -> Iterable[ClientInput]:
        """Take one frame; 0 stands for the configured rate (Hz), channels
        and bytes per sample.  Raises ``ValueError`` naming the field."""
        wire = self._converter.push(
            data, rate, channels, width, interleaved=interleaved
        )
        return self._hear(wire) if wire else ()

    def finalize(self) -> Iterable[ClientInput]:
        """All there is, with what the resampler holds back; then the turn
        that is open ends."""
        wire = self._converter.flush()
        if wire:
            yield from self._hear(wire)
        detector = self._detector
        if detector is None:
            return
        onset = detector.speech_since(self._ended_at)
        end = detector.position
        ended = detector.finalize()
        self._ended_at = end
        if ended is not None:
            yield self._in_call(ended)
        elif onset is not None:
            # Too short to be a turn by itself, but it was asked for.
            start = self._detector_start
            yield SpeechStarted(start + onset)
            yield SpeechEnded(start + end, start + end)

    @property
    def speaking(self) -> bool | None:
        """Is somebody speaking just now?  None: nobody listens."""
        return None if self._detector is None else self._detector.speaking

    @property
    def quiet_to(self) -> int | None:
        """Up to here the detector is sure that no turn is open."""
        if self._detector is None or self._detector.turn_open:
            return None
        return self._detector_start + self._detector.position

    def _hear(self, wire: bytes) -> Iterator[ClientInput]:
        # Before the detector has heard it: should that fail, no sound is lost.
        yield wire
        if self._detector is None:
            return
        if self._wire == "pcm16":
            samples = np.frombuffer(wire, "<i2")
        else:
            law: Law = "ulaw" if self._wire == "g711_ulaw" else "alaw"
            samples = decode(np.frombuffer(wire, np.uint8), law)
        for event in self._detector.push(samples):
            if isinstance(event, TurnEnded):
                self._ended_at = event.at_sample
            yield self._in_call(event)

    def _in_call(self, event: Event) -> SpeechStarted | SpeechEnded:
        """The same, with positions of the call."""
        start = self._detector_start
        if isinstance(event, TurnStarted):
            return SpeechStarted(start + event.onset_sample)
        end = start + event.end_of_speech_sample
        return SpeechEnded(end, end if event.cut else start + event.at_sample)
