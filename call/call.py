"""The parts of one call, put together by its configuration; no TEN.

The converter makes wire audio of frames, the `intake` feeds the client with it,
which owns the core and its connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Collection
from dataclasses import replace
from fractions import Fraction

from ..audio.converter import FrameConverter, bytes_of_a_second
from ..audio.speech import loud_span_finder, pause_finder, sound_finder
from ..audio.turns import TurnDetector
from ..config import (
    FALLBACK,
    FIXED_FIELDS,
    PRIMARY,
    ConfigError,
    OpenAIASRConfig,
)
from ..connection.cas import BadCaFile, Cas, SlowCaFile
from ..connection.driver import now
from ..connection.interface import AsrListener, ClientSettings, WireTrace
from ..openai_asr_client import OpenAIASRClient
from ..realtime.change import ANSWER_S, PATIENCE_S
from ..realtime.faults import Fault
from .gap import GapTimer
from .intake import Intake, make_detector
from .languages import ConfiguredLanguages

#: The service has so long at least to answer a change, in seconds, whatever
#: was waited for before.
_LEAST_CHANGE_S = 0.5


class Refused(ValueError):
    """A change was not made, and everything stays as it was; the text says
    why."""


class Call:
    """One call.  `create` makes it, `start` connects, `stop` ends it."""

    def __init__(
        self,
        config: OpenAIASRConfig,
        client: OpenAIASRClient,
        detector: TurnDetector | None,
        on_speech: Callable[[int, int], None] = lambda start_ms, end_ms: None,
    ) -> None:
        session = config.session_settings()
        wire = session.wire_format
        self._converter = FrameConverter(
            wire,
            config.sample_rate,
            config.channels,
            g711_input=config.g711_input,
            batch_ms=config.limits.packet_ms,
        )
        self.config = config
        self.languages = ConfiguredLanguages()
        self.languages.add(config)
        self._client = client
        self._intake = Intake(
            self._converter, wire, client, on_speech=on_speech
        )
        #: Audio received so far, in ms.
        self.received_ms = 0
        #: A change under way waits for no pause.
        self._hurried = False
        #: Another detector that takes over in the next pause.
        self._next_detector: Callable[[], None] | None = None
        self._detector_changed = asyncio.Event()
        self._gap = GapTimer(config.gap_s, self._on_gap)
        self._listen(detector, config)

    @classmethod
    async def create(
        cls,
        config: OpenAIASRConfig,
        listener: AsrListener,
        log_error: Callable[[str], None],
        trace: WireTrace | None,
        on_speech: Callable[[int, int], None] = lambda start_ms, end_ms: None,
        may_be_slow: Collection[str] | None = None,
    ) -> Call:
        """Put the parts together; raises `MissingDetector` or `BadCaFile`.
        ``on_speech`` is told begin and end of what a local detector hears.
        ``may_be_slow``: such a ``ca_file`` is read when the call connects, if
        it cannot be read now in time; None: all are."""
        session = config.session_settings()
        client = OpenAIASRClient(
            client_settings(config),
            listener,
            loud_span_finder(session.wire_format, session.rate),
            log_error,
            trace=trace,
            find_sound=sound_finder(session.wire_format, session.rate),
            find_pause=pause_finder(session.wire_format, session.rate),
        )
        _, detector = await asyncio.gather(
            _read_ca_files(client.cas, config, may_be_slow),
            make_detector(config),
        )
        return cls(config, client, detector, on_speech)

    # -- state ------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Started, not stopped, and not given up for good."""
        return self._client.running

    @property
    def fatal(self) -> Fault | None:
        """Why the call was given up, if it was."""
        return self._client.core.fatal

    @property
    def taken_ms(self) -> int:
        """Audio that the core has been given, in ms: what is left of
        `received_ms` waits for a whole packet."""
        core = self._client.core
        return core.received * 1000 // core.settings.rate

    @property
    def counters(self) -> dict[str, int]:
        """What reconnects have cost so far."""
        return self._client.counters()

    @property
    def ignored(self) -> int:
        """Server messages that meant nothing here."""
        return self._client.core.in_use.unknown_events

    # -- life -------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect; returns at once, and may be called again."""
        await self._client.start()

    async def stop(self) -> None:
        """Deliver what was said, within a bound, and close."""
        self._gap.stop()
        try:
            self._change_detector()
            self._intake.finalize()
            await self._intake.settled()
        finally:
            await self._client.stop(self._intake.close)

    def push(
        self,
        data: bytes | bytearray,
        rate: int,
        channels: int,
        width: int,
        interleaved: bool = True,
    ) -> int:
        """Take a frame; 0 stands for the configured rate (Hz), channels and
        bytes per sample.  ``interleaved`` False: each channel's samples stand
        together.  Returns the ms that it adds to the call's audio;
        raises ``ValueError`` naming the field."""
        before = self.received_ms
        self._gap.frame()
        self._intake.hear(
            self._converter.push(
                data, rate, channels, width, interleaved=interleaved
            )
        )
        self.received_ms = int(self._converter.input_ms)
        if self._next_detector is not None and not self._speaking:
            self._change_detector()
        if self.received_ms // 1000 > before // 1000:
            quiet_to = self._intake.quiet_to
            if quiet_to is not None:
                self._client.core.quiet_to(quiet_to)
        return self.received_ms - before

    @staticmethod
    def length_ms(size: int, rate: int, channels: int, width: int) -> Fraction:
        """Of a frame of so many bytes; 0 where no call takes it."""
        try:
            second = bytes_of_a_second(rate, channels, width)
        except ValueError:
            return Fraction(0)
        return Fraction(size * 1000, second)

    def _on_gap(self) -> None:
        """No frame comes any more: the turn that is open is over."""
        if not self.running:
            return
        try:
            if self.config.turn_owner != "none":
                # Whoever is to end the turns when it is sent.
                self.end_turn()
            else:
                self._intake.finalize()
        except Exception as error:
            # A timer of the loop has nobody who would be told.
            self._client.tell(error)

    def end_turn(self) -> None:
        """End the turn that is open with what was received so far."""
        self._intake.finalize()
        self._intake.then(self._client.end_turn)

    def take_lost_bytes(self) -> tuple[int, int]:
        """As `FrameConverter.take_lost_bytes` counts them."""
        return self._converter.take_lost_bytes()

    def finalize(self, token: object) -> None:
        """Deliver everything received so far, then answer with ``token``."""
        # To wait for scores is a part of its time.
        asked_at = now()
        self._intake.finalize()
        self._intake.then(lambda: self._client.finalize(token, asked_at))
        self._change_detector()

    def check(self, config: OpenAIASRConfig) -> None:
        """Raise `ConfigError` for what cannot be changed while it runs."""
        for name in FIXED_FIELDS if self.running else ():
            if getattr(config, name) != getattr(self.config, name):
                raise ConfigError(name, "cannot be changed during a call")

    async def change(
        self,
        config: OpenAIASRConfig,
        within_s: float = ANSWER_S,
        hurried: bool = False,
    ) -> str:
        """Work by another configuration without losing a word.

        Returns from when on it applies: ``at once``, ``next turn`` or ``new
        session``.  Raises `Refused`, `ConfigError`, `MissingDetector` or
        `BadCaFile`; then everything stays as it was.  ``hurried``: do not wait
        for a pause.
        """
        self.check(config)
        begun, self._hurried = now(), hurried
        old = self.config
        listens_anew = config.turn_detection_changed(old)
        # At once: either may take half of the time that there is.
        _, detector = await asyncio.gather(
            _read_ca_files(self._client.cas, config, old.ca_files),
            make_detector(config) if listens_anew else _nothing(),
        )
        # What was said before is heard by what held then.
        await self._intake.settled()
        # The first text of another session may be there with its answer.
        self.languages.add(config)
        change = asyncio.ensure_future(
            self._client.change(
                client_settings(config),
                max(begun + within_s - now(), _LEAST_CHANGE_S),
            )
        )
        if self._hurried:
            # From the beginning, or while the detector was loaded.
            await asyncio.sleep(0)
            self.hurry()
        answer = await change
        if answer.refused is not None:
            self.languages.add(old)
            raise Refused(answer.refused.message)
        self._go_by(config)
        applies: str = answer.applies
        if not listens_anew:
            return applies
        self._next_detector = functools.partial(self._listen, detector, config)
        if not self._hurried and self._speaking:
            # It would end the turn, in the middle of a word perhaps.
            if applies == "at once":
                applies = "next turn"
            self._detector_changed.clear()
            left_s = begun + within_s - now()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self._detector_changed.wait(), min(PATIENCE_S, left_s)
                )
        self._change_detector()
        return applies

    def adopt(self, config: OpenAIASRConfig) -> None:
        """Work by a configuration that the service need not know of."""
        self._go_by(config)
        self._client.readdress(client_settings(config))

    def _go_by(self, config: OpenAIASRConfig) -> None:
        self.config = config
        self._gap.change(config.gap_s)

    def hurry(self) -> None:
        """A change under way waits for no pause any more: another follows."""
        self._hurried = True
        self._client.hurry()
        self._change_detector()

    # -- the local detector -----------------------------------------------

    @property
    def _speaking(self) -> bool:
        heard = self._intake.speaking
        return self._client.core.speaking if heard is None else heard

    def _change_detector(self) -> None:
        change, self._next_detector = self._next_detector, None
        if change is not None:
            change()
            self._detector_changed.set()

    def _listen(
        self, detector: TurnDetector | None, config: OpenAIASRConfig
    ) -> None:
        self._intake.listen(detector)
        self._intake.then(
            functools.partial(
                self._client.core.detect_locally,
                detector is not None,
                config.skip_before_ms,
            )
        )


async def _read_ca_files(
    cas: Cas, config: OpenAIASRConfig, may_be_slow: Collection[str] | None
) -> None:
    """All at once, so within one bound."""
    files = config.ca_files
    outcomes = await asyncio.gather(
        *map(cas.read, files), return_exceptions=True
    )
    for (file, place), outcome in zip(files.items(), outcomes, strict=True):
        patient = may_be_slow is None or file in may_be_slow
        if patient and isinstance(outcome, SlowCaFile):
            # That may pass; who connects tries again.
            continue
        if isinstance(outcome, BadCaFile):
            raise BadCaFile(f"{place}{outcome}") from None
        if isinstance(outcome, (OSError, RuntimeError)):
            # No file or thread is to be had now.
            continue
        if isinstance(outcome, BaseException):
            raise outcome


async def _nothing() -> None:
    return None


def client_settings(config: OpenAIASRConfig) -> ClientSettings:
    """Where the client connects, and how."""
    first, *others = config.endpoint_configs()
    return replace(
        _client_settings(first, PRIMARY if others else ""),
        fallbacks=tuple(
            _client_settings(other, FALLBACK.format(number))
            for number, other in enumerate(others)
        ),
    )


def _client_settings(config: OpenAIASRConfig, name: str) -> ClientSettings:
    return ClientSettings(
        url=config.url,
        session=replace(config.session_settings(), endpoint=name),
        headers=config.headers_sent,
        limits=config.limits,
        # What stands for a server there speaks as OpenAI's does, and first.
        protocol="auto" if config.over_http else config.protocol,
        connect_timeout_ms=config.connect_timeout_ms,
        stop_timeout_ms=config.stop_timeout_ms,
        ca_file=config.ca_file,
        files=config.file_request,
    )
