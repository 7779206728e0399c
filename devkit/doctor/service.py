"""Key and model: a session is opened and configured, and no audio is sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ten_packages.extension.openai_asr_python.audio.speech import (
    loud_span_finder,
    pause_finder,
    sound_finder,
)
from ten_packages.extension.openai_asr_python.call.call import client_settings
from ten_packages.extension.openai_asr_python.config import (
    OpenAIASRConfig,
    part_of,
)
from ten_packages.extension.openai_asr_python.openai_asr_client import (
    OpenAIASRClient,
)
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.realtime.handshake import (
    CREATED,
    UPDATED,
)
from ten_packages.extension.openai_asr_python.realtime.results import (
    SessionLost,
    SessionReady,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

from .advice import SILENT, after_fault
from .checks import Check
from .network import target_of

#: Beyond the limit of a step, for what must be closed, in seconds.
_CLOSE_S = 4.0
_OF_SESSION = (*CREATED, *UPDATED)
#: Where a session has its model, in either dialect.
_MODEL_PLACES = (
    "audio.input.transcription.model",
    "input_audio_transcription.model",
)
#: No time is beyond it, in seconds since 1970.
_LAST_MOMENT = 2**53


@dataclass
class Listener:
    """Waits for a session, or for why there is none."""

    ready: SessionReady | None = None
    fault: Fault | None = None
    notices: list[Fault] = field(default_factory=list)
    decided: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_asr_start(self, session: SessionReady) -> None:
        self.ready = self.ready or session
        self.decided.set()

    async def on_asr_client_error(self, problem: Any) -> None:
        fault = getattr(problem, "fault", None)
        if isinstance(problem, SessionLost):
            self.fault = self.fault or problem.fault
            self.decided.set()
        elif fault is not None:
            self.notices.append(fault)

    async def on_asr_server_error(self, problem: Any) -> None:
        self.notices.append(problem.fault)

    async def on_asr_delta(self, turn: Any) -> None: ...
    async def on_asr_completed(self, turn: Any) -> None: ...
    async def on_asr_late(self, late: Any) -> None: ...
    async def on_asr_committed(self, item_id: str) -> None: ...
    async def on_asr_finalized(self, end: Any) -> None: ...


class Trace:
    """What the server says of its session."""

    def __init__(self, redactor: Redactor) -> None:
        self.session: Mapping[str, Any] = {}
        #: How far it came: to a WebSocket, to a word of the server.
        self.opened = self.spoken = False
        self._redactor = redactor

    def message(self, kind: str, connection: int, message: bytes | str) -> None:
        if kind != "received":
            return
        self.spoken = True
        self._redactor.overhear(message)
        # Whether it is an event is for the client to say.
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(message)
            of_session = part_of(event, "type") in _OF_SESSION
            session = part_of(event, "session")
            if of_session and isinstance(session, dict):
                self.session = session

    def note(self, kind: str, fields: Mapping[str, Any]) -> None:
        self.opened = self.opened or kind == "opened"

    @property
    def silence(self) -> str:
        """What is missing where time is up."""
        if not self.opened:
            return "TCP answers, but there was no WebSocket handshake"
        if not self.spoken:
            return "the WebSocket opened, but the server said nothing"
        return "the server speaks, but there was no session"

    @property
    def expires_at(self) -> float | None:
        """The end of the session, in seconds since 1970, if it said so."""
        end = self.session.get("expires_at")
        known = isinstance(end, (int, float)) and 0 < end < _LAST_MOMENT
        return end if known else None

    @property
    def model(self) -> str:
        """The model that it confirmed, or ""."""
        for place in _MODEL_PLACES:
            found = part_of(self.session, place)
            if isinstance(found, str):
                return found
        return ""


async def check_session(
    config: OpenAIASRConfig, key_from: str, limit_s: float, redactor: Redactor
) -> Check:
    """Open a session with the extension's own client, and close it."""
    listener, trace = Listener(), Trace(redactor)
    session = config.session_settings()
    settings = client_settings(config.model_copy(update={"fallbacks": []}))
    most = max(round(limit_s * 1000), 1)
    settings = replace(
        settings,
        connect_timeout_ms=min(settings.connect_timeout_ms, most),
        stop_timeout_ms=min(settings.stop_timeout_ms, most),
    )
    problems: list[str] = []
    client = OpenAIASRClient(
        settings,
        listener,
        loud_span_finder(session.wire_format, session.rate),
        problems.append,
        trace=trace,
        find_sound=sound_finder(session.wire_format, session.rate),
        find_pause=pause_finder(session.wire_format, session.rate),
    )
    began = time.monotonic()
    await client.start()
    try:
        await asyncio.wait_for(listener.decided.wait(), limit_s)
    except asyncio.TimeoutError:
        said = "; ".join(n.message for n in listener.notices)
        text = f"{trace.silence} within {limit_s:g} s" + (said and f": {said}")
        code = listener.notices[-1].code if listener.notices else SILENT
        listener.fault = Fault("retry", code, text)
    took = round((time.monotonic() - began) * 1000)
    link = client.core.active
    dialect = link.session.handshake.dialect if link else config.dialect
    on_trial = link is not None and link.session.handshake.on_trial
    await asyncio.wait_for(client.stop(), _CLOSE_S + limit_s)
    if listener.ready is None:
        fault = listener.fault or Fault("retry", "internal", "no session")
        return failed("session", fault, config, key_from)
    model = trace.model or config.input_audio_transcription.model
    data = {
        "session_id": listener.ready.session_id,
        "ready_ms": took,
        "model": model,
        "dialect": dialect,
        "expires_at": trace.expires_at,
    }
    text = (
        f"{listener.ready.session_id or 'without an id'} is ready after"
        f" {took} ms: model {model}, {dialect} dialect; no audio was sent"
    )
    notices = [notice.message for notice in listener.notices]
    if on_trial or notices:
        told = notices or ["the service did not confirm the settings"]
        step = "hear whether text comes: --audio (costs seconds of audio)"
        return Check("session", "warning", text, step, told, data=data)
    return Check("session", "ok", text, data=data)


def failed(
    name: str, fault: Fault, config: OpenAIASRConfig, key_from: str
) -> Check:
    """An endpoint that gives no service."""
    fault = config.explained(fault)
    # TCP came about, or nobody would have been asked.
    late = fault.code == "timeout"
    why = replace(fault, code=SILENT) if late else fault
    step = after_fault(why, config, key_from, str(target_of(config)))
    data = {"code": fault.code, "retry_after_s": fault.retry_after}
    return Check(name, "failed", fault.message, step, data=data)
