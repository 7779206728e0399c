"""One WebSocket connection: the client's events and the session's clock."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from . import beta
from .admission import Request, admit, dialect
from .client_events import (
    BETA_EVENT_TYPES,
    GA_EVENT_TYPES,
    SUPPORTED,
    audio_of,
    check_fields,
    field_of,
    parse,
)
from .context import ServerContext
from .deadly_text import DeadlyText
from .errors import (
    CLOSE_INTERNAL_ERROR,
    CLOSE_POLICY_VIOLATION,
    ApiError,
    item_not_found,
    model_load_error,
    refusal,
    server_error,
    session_expired,
    unsupported_value,
)
from .items import Transcriber
from .outbox import Outbox, reset_connection
from .records import SessionRecord
from .rules import Rule
from .settings import SessionSettings
from .turns import Turns

# How a detector freezes, by fault: the event that is its last.
FREEZES = {
    "frozen_detector": "",
    "frozen_in_turn": "input_audio_buffer.speech_started",
    "frozen_after_commit": "input_audio_buffer.committed",
}
_log = logging.getLogger(__name__)


class Connection:
    """Serves one connection from HTTP 101 to its end."""

    def __init__(
        self,
        ws: ServerConnection,
        request: Request,
        record: SessionRecord,
        context: ServerContext,
    ) -> None:
        self.record = record
        self._ws = ws
        self._request = request
        self._context = context
        self.outbox = Outbox(ws, record, context)
        self._transcriber = Transcriber(context, self.outbox, record)
        self._beta = dialect(request, context.policy) == "beta"
        self._kind = "transcription"
        self._rules = context.rules
        self._settings = SessionSettings(models=context.policy.models)
        self._strikes("root_predecessor")  # Turns reads it in the record
        self._answers_updates = not self._strikes("no_session_updated")
        self._silent = self._strikes("silent_start")
        self._turns = Turns(
            context,
            self.outbox,
            record,
            self._transcriber,
            self._settings,
            beta=self._beta,
        )
        self._reading = asyncio.Event()
        self._reading.set()
        self._expires_at = int(time.time() + context.session_seconds)
        self._audio_faults = self._plan_audio_faults()
        self._messages = 0
        self._deadly = DeadlyText(context)

    async def serve(self) -> None:
        """Returns when the connection has ended, whoever ended it."""
        writer = asyncio.create_task(self.outbox.write())
        try:
            if self._open():
                self._transcriber.start(self._ping())
                self._transcriber.start(self._expire())
            await self._read()
        finally:
            self._turns.abandon_live()
            self._deadly.abandon()
            await self._transcriber.stop()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    def freeze(self) -> None:
        """Half-open: neither read nor write until `thaw`."""
        self.outbox.running.clear()
        self.stop_reading()

    def thaw(self) -> None:
        self.outbox.running.set()
        self._reading.set()
        self._ws.transport.resume_reading()

    def stop_reading(self) -> None:
        self._reading.clear()
        self._ws.transport.pause_reading()

    def freeze_detector(self, fault: str) -> None:
        """Say no more about audio, as this fault has it."""
        self._context.struck(self.record, fault)
        self.outbox.say_no_more(FREEZES[fault])

    def reset(self) -> None:
        """Drop the TCP connection now, with RST."""
        reset_connection(self._ws)

    def close(self, code: int, reason: str) -> None:
        self.outbox.close(code, reason)

    def expire(self) -> None:
        """``session_expired``, then CLOSE 1001."""
        self.outbox.send_error(session_expired(self._context.session_seconds))

    # --- life of the session ---------------------------------------------

    def _open(self) -> bool:
        """session.created, or the refusal; True if there is a session."""
        try:
            if self._context.refusal is not None:
                raise refusal(self._context.refusal.code)
            if "refused" in self.record.faults:
                raise refusal(self._context.faults.refused_error)
            if self._ends_at_once():
                return False
            if self._strikes("error_for_created"):
                raise model_load_error()
            self._kind = admit(self._request, self._context.policy)
        except ApiError as error:
            _log.info("#%d refused: %s", self.record.number, error.code)
            self.outbox.send_error(error)
            return False
        with self._context.journal.change():
            self.record.session_id = f"sess_{uuid4().hex[:21]}"
            self.record.config = self._settings.full()
        if not self._silent:
            self._send_session("created")
        return True

    def _ends_at_once(self) -> bool:
        """A fault closes the connection before it is anybody's session."""
        faults = self._context.faults
        if self._strikes("closed"):
            self.outbox.close(faults.close_code, faults.close_reason)
            return True
        if self._strikes("untyped_error"):
            # As LiteLLM sends it: no type, neither outside nor inside.
            message = "This operation requires authentication."
            self.outbox.send_raw(
                {"error": {"code": "Unauthorized", "message": message}}
            )
            self.outbox.close(CLOSE_POLICY_VIOLATION, "")
            return True
        return False

    def _strikes(self, name: str) -> bool:
        """Whether a fault on connections strikes this one; noted if so."""
        strikes = self._context.strikes(name, self.record.number)
        if strikes:
            self._context.struck(self.record, name)
        return strikes

    def _send_session(self, state: str) -> None:
        common = {"id": self.record.session_id, "expires_at": self._expires_at}
        if self._beta:
            self.outbox.send(
                f"transcription_session.{state}",
                session={**common, **beta.echo(self._settings, self._rules)},
            )
            return
        session: dict[str, Any] = {
            "type": self._kind,
            "object": "realtime.session",
            **common,
        }
        if self._kind == "transcription":
            session["object"] = "realtime.transcription_session"
            session |= self._settings.echo(self._rules)
        else:
            session["model"] = self._request.query.get("model")
        self.outbox.send(f"session.{state}", session=session)

    async def _ping(self) -> None:
        interval = self._context.ping_interval
        while interval:
            await asyncio.sleep(interval)
            await self.outbox.running.wait()
            try:
                pong = await self._ws.ping()
            except ConnectionClosed:
                return
            # Not awaited here: a client that never answers gets the next PING.
            self._transcriber.start(self._count_pong(pong))

    async def _count_pong(self, pong: Awaitable[float]) -> None:
        try:
            await pong
        except ConnectionClosed:
            return
        with self._context.journal.change():
            self.record.pongs += 1

    async def _expire(self) -> None:
        await asyncio.sleep(self._context.session_seconds)
        self.expire()

    async def _read(self) -> None:
        try:
            while True:
                await self._reading.wait()
                message = await self._ws.recv()
                if self._messages == self._last_message:
                    self._drop("drop_after_messages")
                    return
                self._messages += 1
                audio = self._receive(message)
                if audio and await self._deadly.is_said(audio, self._settings):
                    self._drop("drop_text")
                    return
                # recv() does not suspend while messages are queued: a client
                # that floods would hold up every transcript.
                await asyncio.sleep(0)
        except ConnectionClosed:
            return

    # --- client events ----------------------------------------------------

    def _receive(self, message: str | bytes) -> bytes:
        """Returns the audio that was in it."""
        if self._silent:
            self._silent = False
            self._send_session("created")
        try:
            event = parse(message)
        except ApiError as error:
            if Rule.JSON_TEXT in self._rules:
                self.outbox.send_error(error)
            return b""
        try:
            return self._handle(event)
        except ApiError as error:
            event_id = event.get("event_id")
            named = event_id if isinstance(event_id, str) else None
            self.outbox.send_error(error, named)
        return b""

    def _handle(self, event: dict[str, Any]) -> bytes:
        kind = event.get("type")
        if kind == "input_audio_buffer.append":
            return self._append(event)
        self._obey(event, kind)
        return b""

    def _obey(self, event: dict[str, Any], kind: object) -> None:
        with self._context.journal.change():
            self.record.log(self.record.events, event)
        if self.record.session_id is None:
            return  # refused; with most refusals CLOSE is under way
        allowed = BETA_EVENT_TYPES if self._beta else GA_EVENT_TYPES
        if kind not in allowed and Rule.EVENT_TYPES not in self._rules:
            return
        if kind is None:
            raise ApiError(
                "Missing required parameter: 'type'.", "invalid_event", "type"
            )
        if not isinstance(kind, str) or kind not in allowed:
            raise unsupported_value("type", kind, allowed)
        if kind in ("session.update", "transcription_session.update"):
            self._update(field_of(event, "session", dict, self._rules))
        elif kind not in SUPPORTED or self._kind != "transcription":
            raise ApiError(
                f"'{kind}' is not supported in {self._kind} sessions.",
                "invalid_value",
                "type",
            )
        elif kind == "input_audio_buffer.commit":
            check_fields(event, self._rules)
            self._turns.commit()
        elif kind == "input_audio_buffer.clear":
            check_fields(event, self._rules)
            self._turns.clear()
        else:
            self._item_event(kind.rpartition(".")[2], event)

    def _append(self, event: dict[str, Any]) -> bytes:
        data = b""
        try:
            data = audio_of(event, self._rules)
        finally:
            logged = {k: v for k, v in event.items() if k != "audio"}
            logged["audio_bytes"] = len(data)
            with self._context.journal.change():
                self.record.log(self.record.events, logged)
                self.record.appends += 1
                self.record.audio_bytes += len(data)
        if self.record.session_id is None or self._kind != "transcription":
            return b""
        audio_ms = self._turns.append(data)
        with self._context.journal.change():
            self.record.audio_ms = audio_ms
        while self._audio_faults and self._audio_faults[0][0] <= audio_ms:
            _, name, strike = self._audio_faults.pop(0)
            self._context.struck(self.record, name)
            strike()
        return data

    def _update(self, session: Any) -> None:
        kind = session.get("type")
        if self._kind == "realtime":
            if kind == "transcription":
                raise ApiError(
                    "Passing a transcription session update event to a "
                    "realtime session is not allowed.",
                    "invalid_parameter",
                    "session.type",
                )
            self._send_session("updated")
            return
        updated = beta.updated if self._beta else SessionSettings.updated
        new = updated(self._settings, session, self._rules)
        delay = self._context.faults.slow_session_updated_ms / 1000
        if delay:
            self._context.struck(self.record, "slow_session_updated")
            self._transcriber.start(self._apply_later(new, delay))
        else:
            self._apply(new)

    async def _apply_later(self, new: SessionSettings, delay: float) -> None:
        # Audio that comes meanwhile is heard under the old settings.
        await asyncio.sleep(delay)
        self._apply(new)

    def _apply(self, new: SessionSettings) -> None:
        self._settings = new
        self._turns.apply(new)
        with self._context.journal.change():
            self.record.config = new.full()
            self.record.config_updates += 1
        if self._answers_updates:
            self._send_session("updated")

    def _item_event(self, action: str, event: dict[str, Any]) -> None:
        item_id = field_of(event, "item_id", str, self._rules)
        known = {i.item_id: i for i in self.record.items if not i.deleted}
        item = known.get(item_id)
        if item is None:
            raise item_not_found(action, item_id)
        if action == "retrieve":
            self.outbox.send(
                "conversation.item.retrieved",
                item=self._turns.item_object(item),
            )
            return
        with self._context.journal.change():
            item.deleted = True
        self.outbox.send("conversation.item.deleted", item_id=item_id)

    def _drop(self, fault: str) -> None:
        self._context.struck(self.record, fault)
        self.reset()

    # --- faults at a place in the audio ------------------------------------

    def _plan_audio_faults(self) -> list[tuple[float, str, Callable[[], None]]]:
        faults, number = self._context.faults, self.record.number
        self._last_message: int | None = None
        if not self._context.strikes("audio_faults_on", number):
            return []
        self._last_message = faults.drop_after_messages
        close = CLOSE_INTERNAL_ERROR if faults.server_error_close else None
        chance = self._context.dice.drop_position_ms(faults.drop_rate, number)
        if chance < math.inf:
            _log.info(
                "#%d: reset planned at %.0f ms of audio (seed %d)",
                number,
                chance,
                faults.seed,
            )
        plan: list[tuple[float | None, str, Callable[[], None]]] = [
            (faults.drop_after_audio_ms, "drop_after_audio", self.reset),
            (chance, "drop_rate", self.reset),
            (faults.expire_after_audio_ms, "expire", self.expire),
            (
                faults.server_error_after_audio_ms,
                "server_error_after_audio",
                lambda: self.outbox.send_error(server_error(close)),
            ),
            (
                faults.stop_reading_after_audio_ms,
                "stop_reading",
                self.stop_reading,
            ),
            (faults.freeze_after_audio_ms, "freeze", self.freeze),
        ]
        for fault, last in FREEZES.items():
            if self._context.strikes(fault, number):
                if faults.frozen_after_ms:
                    say_no_more = partial(self.outbox.say_no_more, last)
                    plan.append((faults.frozen_after_ms, fault, say_no_more))
                else:  # the first append as well
                    self.freeze_detector(fault)
        placed = [
            (math.inf if place is None else place, name, strike)
            for place, name, strike in plan
        ]
        return sorted(placed, key=lambda entry: entry[0])
