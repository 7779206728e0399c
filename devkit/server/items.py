"""From a committed item to its transcript events."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re
import string
from dataclasses import dataclass
from typing import Any

import numpy as np

from .context import ServerContext
from .engine import Stream
from .faults import Faults, item_fault_names
from .models import Deltas, ModelProfile
from .outbox import Outbox
from .records import ItemRecord, SessionRecord
from .settings import SessionSettings
from .wire_audio import Int16Array

_log = logging.getLogger(__name__)
_PREFIX = "conversation.item.input_audio_transcription."
# Recorded: 1.63 s of audio counted as 16 tokens.
_AUDIO_TOKENS_PER_SECOND = 10


@dataclass
class Item:
    """A committed item with what its transcription needs."""

    record: ItemRecord
    samples: Int16Array
    rate: int
    settings: SessionSettings
    faults: Faults  # in force when the item was committed
    struck: frozenset[str]  # names of the faults that strike it

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def item_faults(
    context: ServerContext, number: int, on_connection: int
) -> frozenset[str]:
    """Which faults strike the server's ``number``-th item.

    Every fault's dice are thrown for every item, so that one fault does not
    change when another one strikes.
    """
    strikes = context.strikes
    names = item_fault_names()
    return frozenset([n for n in names if strikes(n, number, on_connection)])


class LiveStream:
    """Deltas of a streaming model while its item's audio is appended.

    The deltas carry the id that the item will get with its commit.
    """

    def __init__(
        self, stream: Stream, item_id: str, transcriber: Transcriber
    ) -> None:
        self.item_id = item_id
        self._stream = stream
        self._transcriber = transcriber
        self._audio: asyncio.Queue[Int16Array | None] = asyncio.Queue()
        self._said = ""
        self._task = transcriber.start(self._run())

    def feed(self, samples: Int16Array) -> None:
        self._audio.put_nowait(samples)

    def abandon(self) -> None:
        self._task.cancel()
        self._stream.abandon()

    async def finish(self) -> tuple[str, str]:
        """The whole text, and the part that was already sent as deltas."""
        self._audio.put_nowait(None)
        try:
            await self._task
            return await self._stream.finish(), self._said
        finally:
            # Also when the connection ends meanwhile: a recogniser is held.
            self._stream.abandon()

    async def _run(self) -> None:
        ended = False
        while not ended:
            # What came while the engine was busy it takes at once, so that it
            # does not fall behind.
            waiting = [await self._audio.get()]
            while not self._audio.empty():
                waiting.append(self._audio.get_nowait())
            ended = waiting[-1] is None
            audio = [samples for samples in waiting if samples is not None]
            if not audio:
                continue
            more = await self._stream.feed(np.concatenate(audio))
            self._said += more
            if more:
                self._transcriber.send_delta(self.item_id, more)


class Transcriber:
    """Transcribes the items of one connection and sends their events.

    Completed events leave in commit order unless a fault says otherwise.
    """

    def __init__(
        self, context: ServerContext, outbox: Outbox, record: SessionRecord
    ) -> None:
        self._context = context
        self._outbox = outbox
        self._record = record
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn_free = asyncio.Event()  # the latest item's events are out
        self._turn_free.set()
        self._held: list[asyncio.Event] = []  # swapped items
        # Padding only; its own sequence, as it must not move any fault.
        self._padding = random.Random(record.number)

    def start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stream(self, item_id: str, rate: int) -> LiveStream:
        return LiveStream(self._context.engine.stream(rate), item_id, self)

    def transcribe(self, item: Item, live: LiveStream | None) -> None:
        """Begin; the events follow when the engine is done."""
        before, self._turn_free = self._turn_free, asyncio.Event()
        self.start(self._transcribe(item, live, before, self._turn_free))

    def send_delta(
        self, item_id: str, text: str, logprobs: bool = False
    ) -> None:
        self._outbox.send(
            _PREFIX + "delta",
            item_id=item_id,
            content_index=0,
            delta=text,
            **({"logprobs": logprobs_of(text)} if logprobs else {}),
            # Recorded: padding against guessing by length.
            obfuscation="".join(
                self._padding.choices(string.ascii_letters, k=6)
            ),
        )

    async def _transcribe(
        self,
        item: Item,
        live: LiveStream | None,
        before: asyncio.Event,
        done: asyncio.Event,
    ) -> None:
        profile = item.settings.profile
        try:
            if profile is None or "never_completed" in item.struck:
                if live is not None:
                    live.abandon()
                self._finish(item, "never", None)
                return
            text = said = ""
            try:
                if live is not None:
                    text, said = await live.finish()
                else:
                    engine = self._context.engine
                    text = await engine.transcribe(item.samples, item.rate)
            except Exception:
                _log.exception("item %s failed", item.record.item_id)
                item.struck |= {"failed"}
            if "slow_completed" in item.struck:
                done.set()
                await asyncio.sleep(item.faults.slow_completed_ms / 1000)
            elif "swapped_completed" in item.struck:
                done.set()
                await self._wait_for_another(item)
            else:
                await before.wait()
            poison = item.faults.failed_text
            if "failed" in item.struck or (poison and poison in text):
                self._send_failed(item)
            else:
                self._send_transcript(item, profile, text, said)
        finally:
            done.set()

    async def _wait_for_another(self, item: Item) -> None:
        released = asyncio.Event()
        self._held.append(released)
        try:
            # The last item of a call has no next one: then it is just late.
            await asyncio.wait_for(
                released.wait(), item.faults.slow_completed_ms / 1000
            )
        except asyncio.TimeoutError:
            self._held.remove(released)

    def _send_failed(self, item: Item) -> None:
        error: dict[str, Any] = {
            "type": "server_error",
            "code": None,
            "message": "Input transcription failed for item "
            f"'{item.record.item_id}'.",
            "param": None,
        }
        limit = "rate_limit_exceeded"
        retry_s = item.faults.failed_retry_s
        if (
            item.faults.failed_code == limit
            or "rate_limited" in item.struck
            or retry_s
        ):
            error |= {"type": "rate_limit_error", "code": limit}
        elif item.faults.failed_code == "invalid_request_error":
            error["type"] = item.faults.failed_code
        if retry_s:
            # As the service words it.
            error["message"] = (
                f"Rate limit reached. Please try again in {retry_s:g}s."
            )
        self._outbox.send(
            _PREFIX + "failed",
            item_id=item.record.item_id,
            content_index=0,
            error=error,
        )
        self._finish(item, "failed", None)

    def _send_transcript(
        self, item: Item, profile: ModelProfile, text: str, said: str
    ) -> None:
        if "empty_transcript" in item.struck:
            text = ""
        item_id = item.record.item_id
        logprobs = profile.logprobs and item.settings.wants_logprobs
        # A streaming hypothesis may have been wrong; completed decides.
        rest = text[len(said) :] if text.startswith(said) else ""
        for piece in pieces(rest, profile):
            self.send_delta(item_id, piece, logprobs)
        if profile.segments and text:
            self._outbox.send(
                _PREFIX + "segment",
                id=f"seg_{item.record.number}",
                item_id=item_id,
                content_index=0,
                text=text,
                speaker="A",
                start=0.0,
                end=round(item.seconds, 3),
            )
        completed: dict[str, Any] = {
            "item_id": item_id,
            "content_index": 0,
            "transcript": text,
        }
        if "null_transcript" in item.struck:
            completed["transcript"] = None
        if "missing_transcript" in item.struck:
            del completed["transcript"]
        if "wrong_item_id" in item.struck:
            completed["item_id"] = f"{item_id}_unknown"
        if "missing_usage" not in item.struck:
            completed["usage"] = usage_of(profile, item.seconds, text)
        if logprobs:
            completed["logprobs"] = logprobs_of(text)
        if profile.reports_languages:
            completed["languages"] = _languages(item.settings)
        if "unknown_events" in item.struck:
            self._outbox.send("input_audio_buffer.level", dbfs=-21.5)
            completed["phrases"] = [{"text": text, "nested": {"new": True}}]
        self._outbox.send(_PREFIX + "completed", **completed)
        if "duplicate_completed" in item.struck:
            self._outbox.send(_PREFIX + "completed", **completed)
        if "late_delta" in item.struck:
            self.send_delta(item_id, " late", logprobs)
        self._finish(item, "completed", text)

    def _finish(self, item: Item, state: str, text: str | None) -> None:
        with self._context.journal.change():
            item.record.state = state
            item.record.transcript = text
        while state != "never" and self._held:
            self._held.pop().set()


def pieces(text: str, profile: ModelProfile) -> list[str]:
    """Deltas whose concatenation is the text."""
    if profile.deltas is Deltas.WHOLE:
        return [text] if text else []
    return re.findall(r"\s*\S+", text)


def logprobs_of(text: str) -> list[dict[str, Any]]:
    return [
        {"token": token, "logprob": -0.01, "bytes": list(token.encode())}
        for token in re.findall(r"\s*\S+", text)
    ]


def usage_of(
    profile: ModelProfile, seconds: float, text: str
) -> dict[str, Any]:
    if profile.usage == "duration":
        # Rounded up to full seconds for each commit, also if empty.
        return {"type": "duration", "seconds": math.ceil(seconds)}
    audio = int(seconds * _AUDIO_TOKENS_PER_SECOND)
    output = len(text.split())
    return {
        "type": "tokens",
        "total_tokens": audio + output,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": output,
    }


def _languages(settings: SessionSettings) -> list[dict[str, str]]:
    transcription = settings.transcription or {}
    first = (transcription.get("languages") or ["en"])[0]
    return [{"code": transcription.get("language") or first}]
