"""The WebSocket client: one call from `start` to `stop`.

Every rule of the protocol lives in `realtime`; sockets, tasks and time are the
matter of `connection`.  An `AsrListener` is told what happened.  Nothing here
knows of TEN.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable
from enum import Enum

from .connection.cas import Cas
from .connection.dispatcher import Dispatcher
from .connection.driver import Driver, now
from .connection.interface import AsrListener, ClientSettings, WireTrace
from .realtime.audio_buffer import FindPause, FindSound, FindSpeech
from .realtime.change import ANSWER_S
from .realtime.endpoints import Endpoint
from .realtime.faults import Fault
from .realtime.results import SettingsChanged
from .realtime.states import Machine
from .realtime.transcription import Transcription

_NO_CALL = SettingsChanged(
    Fault("report", "stopped", "the call is not under way")
)
#: What is left at the end is handed over within this, or ``stop_timeout_ms``
#: where that is longer, in seconds.
_HAND_OVER_S = 1.0


class ClientState(Enum):
    """The life of a client.  What the service does is the core's matter: a
    call that was given up for good is RUNNING until it is stopped."""

    NEW = "made: audio is kept, and nothing connects yet"
    RUNNING = "a connection is kept up, as the core wishes"
    DRAINING = "`stop` waits, within a bound, for the text of what was said"
    CLOSING = "connections are closed, and what is left is handed over"
    ENDED = "nothing is left"


_S = ClientState
CLIENT_MOVES = {
    _S.NEW: frozenset({_S.RUNNING, _S.CLOSING}),
    _S.RUNNING: frozenset({_S.DRAINING, _S.CLOSING}),
    _S.DRAINING: frozenset({_S.CLOSING}),
    _S.CLOSING: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


class OpenAIASRClient:
    """One call's connection to the service, kept up until `stop`.

    `send_audio` and `finalize` return at once, connected or not.  What calls
    for no action at once is told to the ``core`` itself.  All methods belong
    to one event loop.
    """

    def __init__(
        self,
        settings: ClientSettings,
        listener: AsrListener,
        find_speech: FindSpeech,
        log_error: Callable[[str], None],
        rng: random.Random | None = None,
        trace: WireTrace | None = None,
        find_sound: FindSound | None = None,
        find_pause: FindPause | None = None,
    ) -> None:
        self.core = Transcription(
            settings.session,
            settings.limits,
            protocol=settings.protocol,
            find_speech=find_speech,
            find_sound=find_sound,
            find_pause=find_pause,
            rng=rng or random.Random(),
            address=settings,
            fallbacks=_endpoints(settings.fallbacks),
        )
        self._dispatcher = Dispatcher(
            self.core.results, listener, self._answer_change, log_error
        )
        self._driver = Driver(self.core, self._dispatcher, trace)
        self._machine = Machine(ClientState.NEW, CLIENT_MOVES)
        self._over = asyncio.Event()
        self._answer: asyncio.Future[SettingsChanged] | None = None

    # -- life -------------------------------------------------------------

    @property
    def cas(self) -> Cas:
        """Those that are trusted: what is read of them now need not be read
        where a connection wants it."""
        return self._driver.dialer.cas

    @property
    def running(self) -> bool:
        """Started, not stopped, and not given up for good."""
        return self._driver.active and self.core.fatal is None

    async def start(self) -> None:
        """Begin to connect, and keep a connection until `stop`."""
        if self._machine.state is not ClientState.NEW:
            return
        self._machine.to(ClientState.RUNNING)
        self._dispatcher.start()
        self._driver.start()

    async def stop(self, last: Callable[[], None] = lambda: None) -> None:
        """Deliver what was said, within ``stop_timeout_ms``; then close.

        ``last`` may send what there is yet, just before that.
        Closing takes at most two seconds, and a listener that hangs is given
        ``stop_timeout_ms`` once more, or a second.  Every finalize and
        `change` under way is answered.  Safe in any state, more than once and
        at the same time: each returns when the call is over, but where the
        listener itself calls.
        """
        state = self._machine.state
        by_listener = self._dispatcher.is_current
        if state not in (ClientState.NEW, ClientState.RUNNING):
            if not by_listener:
                await self._over.wait()
            return
        try:
            if (
                state is ClientState.RUNNING
                and self.core.progress.undelivered
                and not by_listener
            ):
                self._machine.to(ClientState.DRAINING)
                await self._drain()
        finally:
            self._machine.to(ClientState.CLOSING)
            try:
                last()
            except Exception as error:
                self.tell(error)
            await self._close()

    async def _drain(self) -> None:
        answered = asyncio.Event()
        self.core.finalize(answered, now())
        self._driver.obey()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(answered.wait(), self._stop_s)

    async def _close(self) -> None:
        try:
            await self._driver.close()
            await self._dispatcher.finish(max(self._stop_s, _HAND_OVER_S))
        finally:
            self._dispatcher.cancel()
            self._answer_change(_NO_CALL)
            self._machine.to(ClientState.ENDED)
            self._over.set()

    # -- from the user ----------------------------------------------------

    def send_audio(self, data: bytes) -> None:
        """Take audio in the wire format (whole samples)."""
        if self.core.audio(data):
            self._driver.wake_wires()

    def listened(self, quiet: bool, known_to: int | None) -> None:
        """What a local detector makes of the audio so far."""
        if self.core.listened(quiet, known_to):
            self._driver.wake_wires()

    def speech_ended(self, end: int, boundary: int) -> None:
        """A local detector's speech ended at sample ``end``; its turn is over
        at ``boundary``."""
        self.core.speech_ended(end, boundary)
        self._driver.obey()

    def end_turn(self) -> None:
        """Commit a turn that is open at the audio received so far."""
        self.core.commit()
        self._driver.obey()

    def tell(self, error: Exception) -> None:
        """Report a fault of ours that cost nothing else."""
        self._dispatcher.tell(error)

    def finalize(self, token: object, asked_at: float | None = None) -> None:
        """Deliver everything received so far; `on_asr_finalized` follows, in
        the time that begins at ``asked_at`` (s of the loop's clock), or now."""
        self.core.finalize(token, now(), asked_at)
        self._driver.obey()

    async def change(
        self, settings: ClientSettings, within_s: float = ANSWER_S
    ) -> SettingsChanged:
        """Put other settings in force without losing a word.

        Where the service refuses, the old settings stay in force.  Limits,
        protocol and wire format cannot be changed.  Changes are made one after
        the other, each within ``within_s`` seconds; the end of the call
        refuses them.
        """
        while self._answer is not None:
            await asyncio.shield(self._answer)
        if not self._driver.active:
            return _NO_CALL
        self.core.change(
            settings.session,
            now(),
            address=settings,
            fallbacks=_endpoints(settings.fallbacks),
            within_s=within_s,
        )
        # The dispatcher hands it over, later.
        answer = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._driver.obey()
        # The change is made also when nobody waits for the answer any more.
        return await asyncio.shield(answer)

    def _answer_change(self, answer: SettingsChanged) -> None:
        asked, self._answer = self._answer, None
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def hurry(self) -> None:
        """A change under way waits for no pause any more."""
        self.core.hurry(now())
        self._driver.obey()

    def readdress(self, settings: ClientSettings) -> None:
        """Equal settings; but times of ours may differ."""
        fallbacks = _endpoints(settings.fallbacks)
        self.core.in_use.readdress(settings, fallbacks)

    def counters(self) -> dict[str, int]:
        """What reconnects and early finals have cost so far in this call, and
        how much of its audio was in turns, or was not sent."""
        core = self.core
        rate = core.settings.rate
        return {
            "reconnects": core.sessions.reconnects,
            "endpoint_switches": core.failover.switches,
            "replayed_ms": core.replay.replayed * 1000 // rate,
            "dropped_ms": core.dropped * 1000 // rate,
            "billed_ms": core.queue.billed * 1000 // rate,
            "saved_ms": core.feed.skip.saved * 1000 // rate,
            "late_finals": core.queue.late_finals,
            "late_final_words": core.queue.late_final_words,
        }

    @property
    def settings(self) -> ClientSettings:
        """Those in force; the core owns them, so that they change together
        with what the session is told."""
        settings = self.core.address
        assert isinstance(settings, ClientSettings)
        return settings

    @property
    def _stop_s(self) -> float:
        return self.settings.stop_timeout_ms / 1000


def _endpoints(fallbacks: Iterable[ClientSettings]) -> list[Endpoint]:
    return [Endpoint(f.session, f, f.protocol) for f in fallbacks]
