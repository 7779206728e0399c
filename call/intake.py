"""From the frames of a call to wire audio and local turn events."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..audio.converter import FrameConverter, Wire
from ..audio.g711 import Law, decode
from ..audio.turns import Event, LocalTurnDetector, TurnEnded, TurnStarted


class Intake:
    """Converts frames and, with a detector, listens to the result.

    ``on_audio`` takes wire bytes, ``on_turn`` the events of the detector
    given to `listen`; their positions are samples of the wire format from the
    first frame on.
    """

    def __init__(
        self,
        converter: FrameConverter,
        wire: Wire,
        on_audio: Callable[[bytes], None],
        on_turn: Callable[[Event], None],
    ) -> None:
        self._converter = converter
        self._wire = wire
        self._detector: LocalTurnDetector | None = None
        self._detector_start = 0
        self._on_audio = on_audio
        self._on_turn = on_turn
        self._ended_at = 0

    def listen(self, detector: LocalTurnDetector | None) -> None:
        """Let this detector hear what comes from now on; None: no one.

        The one before ends the turn that it has open.
        """
        self.finalize()
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
    ) -> None:
        """Take one frame; 0 stands for the configured rate (Hz), channels
        and bytes per sample.  Raises ``ValueError`` naming the field."""
        wire = self._converter.push(
            data, rate, channels, width, interleaved=interleaved
        )
        self._pass_on(wire)

    def flush(self) -> None:
        """Pass on what the resampler holds back."""
        self._pass_on(self._converter.flush())

    def finalize(self) -> None:
        """Pass on all there is, and end the turn that is open."""
        self.flush()
        detector = self._detector
        if detector is None:
            return
        onset = detector.speech_since(self._ended_at)
        if not detector.turn_open and onset is not None:
            # Too short to be a turn by itself, but it was asked for.
            end = detector.position
            self._tell(TurnStarted(end, onset, onset))
            self._tell(TurnEnded(end, end, False))
            detector.finalize()
        else:
            ended = detector.finalize()
            if ended is not None:
                self._tell(ended)
        self._ended_at = detector.position

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

    def _pass_on(self, wire: bytes) -> None:
        if not wire:
            return
        self._on_audio(wire)
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
            self._tell(event)

    def _tell(self, event: Event) -> None:
        """Pass an event on with positions of the call."""
        start = self._detector_start
        if isinstance(event, TurnStarted):
            event = TurnStarted(
                start + event.at_sample,
                start + event.onset_sample,
                start + event.start_sample,
            )
        else:
            event = TurnEnded(
                start + event.at_sample,
                start + event.end_of_speech_sample,
                event.cut,
            )
        self._on_turn(event)
