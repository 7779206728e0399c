"""The audio side of a session: buffer, turn detection, commits, items."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from .context import ServerContext
from .errors import (
    CLOSE_INTERNAL_ERROR,
    buffer_full,
    commit_empty,
    server_error,
)
from .input_buffer import InputBuffer
from .items import Item, LiveStream, Transcriber, item_faults
from .outbox import Outbox
from .records import CommitRecord, ItemRecord, SessionRecord
from .rules import Rule
from .settings import SessionSettings
from .vad import EnergyVad, SpeechStarted, Vad
from .wire_audio import Int16Array, WireDecoder

MIN_COMMIT_MS = 100
# With turn detection on, silence is not kept for longer than this: a session
# that listens for an hour must not hold an hour of audio.
_IDLE_KEEP_S = 60
#: Samples that wait for a commit at most: 64 MiB.
_MOST_HELD = 32 * 1024 * 1024


class Turns:
    """Takes decoded appends; sends turn events; starts transcriptions.

    An update binds at the next turn (recorded): an item whose audio has begun
    is transcribed under the settings of its beginning. What does not wait is
    the format of the bytes, which begins turn detection anew, and, unless the
    server hears speech, turn detection itself: a client that hands the turns
    over commits no more.
    """

    def __init__(
        self,
        context: ServerContext,
        outbox: Outbox,
        record: SessionRecord,
        transcriber: Transcriber,
        settings: SessionSettings,
        *,
        beta: bool,
    ) -> None:
        self._context = context
        self._outbox = outbox
        self._record = record
        self._transcriber = transcriber
        self._settings = settings  # in force
        self._pending: SessionSettings | None = None  # until the turn ends
        self._pending_from = 0  # where the audio stood when they came
        self._beta = beta
        self._decoder = WireDecoder(settings.format["type"])
        self._buffer = InputBuffer(settings.rate)
        self._vad = self._new_vad(0)
        self._item_id = _new_item_id()  # of the next commit
        self._turn_start: int | None = None  # while the VAD hears speech
        self._last_item_id = (
            "root" if "root_predecessor" in record.faults else None
        )
        self._live: LiveStream | None = None

    def apply(self, settings: SessionSettings) -> None:
        """Accept new settings; audio not yet committed stays."""
        if Rule.NEXT_TURN in self._context.rules and self._turn_is_open:
            self._pending = settings
            now = replace(self._settings, format=settings.format)
            if self._turn_start is None or now != self._settings:
                now.turn_detection = settings.turn_detection
            settings = now
        self._switch(settings)
        self._pending_from = self._buffer.end

    @property
    def _turn_is_open(self) -> bool:
        """Audio of the next item has begun."""
        if self._vad is None:
            return self._buffer.end > self._buffer.start
        # Pending: audio from before turn detection was switched on.
        return self._turn_start is not None or self._pending is not None

    def _bind(self) -> None:
        """What waited for the next turn is in force."""
        if self._pending is not None:
            settings, self._pending = self._pending, None
            self._switch(settings)

    def _switch(self, settings: SessionSettings) -> None:
        old, self._settings = self._settings, settings
        if settings == old:
            return
        if settings.format != old.format:
            self._decoder = WireDecoder(settings.format["type"])
            self._buffer.change_rate(settings.rate)
        if (
            settings.format != old.format
            or settings.turn_detection != old.turn_detection
        ):
            self._vad = self._new_vad(self._buffer.end)
            self._turn_start = None
        # What it heard may be in the old model's or format's terms.
        self.abandon_live()
        if self._streams and self._buffer.end > self._buffer.start:
            self._feed_live(None)

    def append(self, data: bytes) -> float:
        """Take the bytes of one append; returns the audio time so far, ms.

        Raises ApiError where more is held than anybody says in one turn.
        """
        samples = self._decoder.decode(data)
        held = self._buffer.end - self._buffer.start
        if held + len(samples) > _MOST_HELD:
            raise buffer_full()
        self._buffer.append(samples)
        if self._vad is not None:
            self._listen(self._vad, samples)
        elif self._streams and len(samples):
            self._feed_live(samples)
        return self._buffer.end * 1000 / self._buffer.rate

    def _listen(self, vad: Vad, samples: Int16Array) -> None:
        for event in vad.push(samples):
            if isinstance(event, SpeechStarted):
                self._speech_started(event.start)
                continue
            self._speech_stopped(event.end)
            if self._vad is not vad:
                # What bound with this commit hears what came after the turn.
                self._vad = following = self._new_vad(self._buffer.start)
                if following is not None:
                    self._listen(following, self._buffer.peek())
                return
        if not vad.speaking:
            idle = self._buffer.end - _IDLE_KEEP_S * self._buffer.rate
            self._buffer.discard_before(idle)

    def commit(self) -> None:
        """Commit by the client; raises ApiError for too little audio."""
        start = self._buffer.start
        if self._turn_start is not None:
            start = max(start, self._turn_start)
        end = self._buffer.end
        held_ms = (end - start) * 1000 / self._buffer.rate
        strict = Rule.COMMIT_MINIMUM in self._context.rules
        if end <= start or (strict and held_ms < MIN_COMMIT_MS):
            raise commit_empty(held_ms)
        self._commit(start, end, "client")
        if self._vad is not None:
            self._vad.reset(end)
        self._bind()

    def clear(self) -> None:
        self._buffer.discard_before(self._buffer.end)
        if self._vad is not None:
            self._vad.reset(self._buffer.end)
        self._turn_start = None
        self.abandon_live()
        self._item_id = _new_item_id()
        self._bind()
        self._outbox.send("input_audio_buffer.cleared")

    def abandon_live(self) -> None:
        """Release what waits for more audio."""
        if self._live is not None:
            self._live.abandon()
            self._live = None

    @property
    def _streams(self) -> bool:
        """Deltas come before the commit."""
        profile = self._settings.profile
        return profile is not None and profile.streaming and self._vad is None

    def _new_vad(self, position: int) -> Vad | None:
        if self._settings.turn_detection is None:
            return None
        # An engine of somebody's test may have none.
        detector: Callable[..., Vad] = getattr(
            self._context.engine, "detector", EnergyVad
        )
        return detector(
            self._settings.turn_detection,
            self._buffer.rate,
            position=position,
            boundary=self._buffer.start,
        )

    def _feed_live(self, samples: Int16Array | None) -> None:
        """``samples``: just appended; None for all that is held."""
        if self._live is None:
            self._live = self._transcriber.stream(
                self._item_id, self._buffer.rate
            )
            samples = None
        if samples is None:
            samples = self._buffer.peek()
        self._live.feed(samples)

    def _speech_started(self, start: int) -> None:
        if start >= self._pending_from:
            self._bind()
        self._turn_start = start
        self._outbox.send(
            "input_audio_buffer.speech_started",
            audio_start_ms=self._buffer.milliseconds(start),
            item_id=self._item_id,
        )

    def _speech_stopped(self, end: int) -> None:
        assert self._turn_start is not None  # since the VAD heard speech
        self._commit(self._turn_start, end, "vad")
        self._bind()

    def _commit(self, start: int, end: int, by: str) -> None:
        item = self._new_item(start, end)
        item_id = item.record.item_id
        previous = item.record.previous_item_id
        if by == "vad":
            for _ in range(1 + ("repeated_speech_stopped" in item.struck)):
                self._outbox.send(
                    "input_audio_buffer.speech_stopped",
                    audio_end_ms=item.record.end_ms,
                    item_id=item_id,
                )
        if "missing_committed" not in item.struck:
            self._outbox.send(
                "input_audio_buffer.committed",
                item_id=item_id,
                previous_item_id=previous,
            )
        self._note(item, by)
        names = ("created",) if self._beta else ("added", "done")
        for name in names:
            self._outbox.send(
                f"conversation.item.{name}",
                previous_item_id=previous,
                item=self.item_object(item.record),
            )
        self._last_item_id = item_id
        self._item_id = _new_item_id()
        self._turn_start = None
        live, self._live = self._live, None
        if "drop_after_commit" in item.struck:
            if live is not None:
                live.abandon()
            self._outbox.reset()
            return
        if "server_error" in item.struck:
            close = item.faults.server_error_close
            self._outbox.send_error(
                server_error(CLOSE_INTERNAL_ERROR if close else None)
            )
        self._transcriber.transcribe(item, live)

    def _new_item(self, start: int, end: int) -> Item:
        self._context.items += 1
        number = self._context.items
        on_connection = len(self._record.items) + 1
        struck = item_faults(self._context, number, on_connection)
        record = ItemRecord(
            self._item_id,
            self._last_item_id,
            self._buffer.milliseconds(start),
            self._buffer.milliseconds(end),
            number,
            self._settings.full_transcription(),
        )
        item = Item(
            record,
            self._buffer.take(start, end),
            self._buffer.rate,
            self._settings,
            self._context.faults,
            struck,
        )
        if not self._context.within_rate(item.seconds):
            item.struck |= {"failed", "rate_limited"}
        return item

    def _note(self, item: Item, by: str) -> None:
        commit = CommitRecord(
            item.record.item_id,
            item.record.previous_item_id,
            item.record.start_ms,
            item.record.end_ms,
            by,
            time.monotonic(),
        )
        with self._context.journal.change():
            self._record.commits.append(commit)
            self._record.items.append(item.record)
            self._record.faults += sorted(item.struck)

    def item_object(self, record: ItemRecord) -> dict[str, Any]:
        """The ``item`` of item events."""
        item: dict[str, Any] = {
            "id": record.item_id,
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [
                {"type": "input_audio", "transcript": record.transcript}
            ],
        }
        if self._beta or self._context.policy.azure:
            item["object"] = "realtime.item"
        return item


def _new_item_id() -> str:
    return f"item_{uuid4().hex[:21]}"
