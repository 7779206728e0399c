"""A simulated service on a virtual clock: no sockets, no time.

The server hears exactly what it was sent and misbehaves as it is told.
"""

from __future__ import annotations

import base64
import copy
import heapq
import json
import math
import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from ten_packages.extension.openai_asr_python.realtime.link import Link

from .troubles import Doom, Ears, Failure, Troubles
from .words import (
    INVENTED,
    LATE,
    NOISE,
    RATE,
    SILENCE,
    Piece,
    ms,
    pieces_in,
    without_noise,
)

_TRANSCRIPTION = "conversation.item.input_audio_transcription."


@dataclass
class Faults:
    """Chances (0 to 1) of what a server may do to an item, event or session.

    ``delay_s``: the longest time from the end of a turn to its text.
    """

    fail: float = 0.0
    duplicate: float = 0.0
    late_delta: float = 0.0
    no_committed: float = 0.0
    no_completed: float = 0.0
    wrong_id: float = 0.0
    empty: float = 0.0
    invent: float = 0.0
    junk: float = 0.0
    never_ready: float = 0.0
    refuse_session: float = 0.0
    error_event: float = 0.0
    refuse_change: float = 0.0
    mute_change: float = 0.0
    delay_s: float = 2.0


#: How the connection of a session ends that died.
_FATAL = (1006, 1006, 1011)
#: Of an item that there is not; of a live model it might be the next one.
_STRANGE = "item_strange"
_JUNK: tuple[str, ...] = (
    "not json",
    "[]",
    '{"type": 7}',
    '{"type": "response.created"}',
    '{"type": "input_audio_buffer.speech_started", "item_id": null}',
    '{"type": "input_audio_buffer.speech_stopped"}',
    '{"type": "conversation.item.added", "item": []}',
    f'{{"type": "{_TRANSCRIPTION}delta", "item_id": "{_STRANGE}",'
    ' "delta": "hm "}',
    f'{{"type": "{_TRANSCRIPTION}segment", "item_id": "{_STRANGE}"}}',
    '{"type": "session.updated", "session": null}',
    '{"type": "session.created", "session": {"expires_at": "soon"}}',
)


#: How a detector works that nobody asked for.
_UNCALLED: dict[str, Any] = {
    "type": "server_vad",
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}
_FAILED = {"type": "server_error", "code": None, "message": "no"}
#: What a session says that has nothing to do with the audio.
_NOT_AUDIO = ("session.created", "session.updated", "error")


def audio_in(message: bytes) -> bytes:
    """What an append message carries; empty for others."""
    if not message.startswith(b'{"type":"input_audio_buffer.append"'):
        return b""
    start = message.index(b'"audio":"') + 9
    return base64.b64decode(message[start:-2])


class SimConnection:
    """The server's side of one session.

    It has read what it was sent at ``busy_until``.
    """

    def __init__(self, server: SimServer, link: Link, now: float) -> None:
        self.server = server
        self.link = link
        self.open = True
        #: Since when it neither reads nor says anything more.
        self.frozen_at = math.inf
        self.deaf = False
        self.doom = Doom(server.troubles)
        #: Of what it died, a kind of `troubles.KINDS`.
        self.died_of = ""
        self.ears = Ears(server.troubles, now)
        self.busy_until = now
        self.model = ""
        self.prompt: str | None = None
        #: By what the turn under way is heard; an update binds at the next.
        self._turn_prompt: str | None = None
        self._next_detector: dict[str, Any] | None = None
        self._queue: list[tuple[float, int, str]] = []
        self._failures: dict[str, Failure] = {}
        self._serial = 0
        self.last_at = now
        self._said: deque[tuple[float, float]] = deque(maxlen=64)
        self._buffer = bytearray()
        self._buffer_start = 0
        self._heard = 0
        self._speaking = ""
        self._early = _Early(self)
        self._quiet_from = 0
        #: When the last notice comes.
        self._notice_at = 0.0
        self._previous: str | None = None
        self._detector = ""
        self._silence = self._end_after = ms(500)
        self._padding = ms(300)
        #: Does a detector listen that nobody asked for?
        self._is_uncalled = False
        self.expiry: tuple[float, int, str] | None = None
        expires = 0.0
        if server.life is not None:
            self.expiry = (now + server.life, 1001, "session over")
            if server.tells_expiry:
                expires = server.wall(now) + server.life
        #: When it closes, and how.
        self.close_at = self.expiry
        self._say(
            now,
            type="session.created",
            session={"id": f"sess_{server.count}", "expires_at": expires},
        )

    # events in order of the connection; transcription events have their own
    def _say(self, now: float, **event: Any) -> None:
        if self.ears.numb_at is not None and event["type"] not in _NOT_AUDIO:
            return
        now = max(now, self.busy_until)
        lag_s = 0.0
        if self._is_uncalled:
            lag_s = self.server.troubles.own_lag_s or 0.0
        self.last_at = max(self.last_at, now + self.server.latency() + lag_s)
        # What answers PINGs does not wait for a detector that is late.
        self._said.append((now, self.last_at - lag_s))
        self.push(self.last_at, json.dumps(event))
        if self.server.chance(self.server.faults.junk):
            junk = self.server.rng.choice(_JUNK)
            if not (self.server.live and _STRANGE in junk):
                self.push(self.last_at, junk)

    def push(self, at: float, event: str) -> None:
        self._serial += 1
        heapq.heappush(self._queue, (at, self._serial, event))

    @property
    def frozen(self) -> bool:
        """Is it half-open?"""
        return self.frozen_at < math.inf

    def next_at(self) -> float | None:
        """When the next event reaches the client."""
        if not self.open or self.frozen or not self._queue:
            return None
        return self._queue[0][0]

    def pop_due(self, now: float) -> str | None:
        """The next event, if it has arrived."""
        at = self.next_at()
        if at is None or at > now:
            return None
        event = heapq.heappop(self._queue)[2]
        if failure := self._failures.pop(event, None):
            self.server.troubles.failing.told(failure)
        return event

    def pong_at(self, now: float) -> float:
        """When the PONG for a PING of now arrives: behind what was said."""
        reads_at = now + self.server.latency() / 2
        if not self.server.reads_ahead:
            reads_at = max(reads_at, self.busy_until)
        before = [at for said, at in self._said if said <= reads_at]
        return max([reads_at + self.server.latency() / 2, *before])

    def receive(self, message: bytes, now: float) -> None:
        """Take one message of the client."""
        if self.died_of:
            return
        if kind := self.doom.message():
            self._die(kind, now)
            return
        if audio := audio_in(message):
            self._hear(audio, now)
            return
        event, troubles = json.loads(message), self.server.troubles
        kind = event["type"]
        if kind == "session.update":
            self._configure(event["session"], event["event_id"], now)
        elif kind == "input_audio_buffer.clear":
            self._buffer.clear()
            self._buffer_start = self._heard
            self._early = _Early(self)
            self._say(now, type="input_audio_buffer.cleared")
        elif kind == "input_audio_buffer.commit":
            if self.ears.numb_at is not None:
                if self.ears.commit_at is None:
                    self.ears.commit_at = now
                    self._early.ends(self._buffer)
            elif not self._detector and troubles.strikes(
                "swallowed", troubles.swallows
            ):
                if troubles.rng.random() < 0.5:
                    self._buffer.clear()
                    self._buffer_start = self._heard
            elif len(self._buffer) < ms(100):
                self._error(
                    now,
                    "input_audio_buffer_commit_empty",
                    event_id=event.get("event_id"),
                )
            elif self._detector:
                self._commit(self._heard, now)
            elif (late_s := self._refuses(event, now)) is not None:
                self._commit(self._heard, now, late_s)
        else:
            raise AssertionError(f"unknown client event {kind}")

    def _refuses(self, commit: dict[str, Any], now: float) -> float | None:
        """An error for a commit; how long after it an item follows, None where
        none does.  Without an error it follows at once."""
        troubles = self.server.troubles
        if not troubles.strikes("uncommitted", troubles.refuses):
            return 0.0
        named = commit["event_id"] if troubles.rng.random() < 0.5 else None
        code = "input_audio_buffer_commit_empty"
        if named and troubles.rng.random() < 0.5:
            code = "server_error"
        self._error(now, code, event_id=named)
        if troubles.keeps_refused:
            return None
        if troubles.refuses < 1 and troubles.rng.random() < 0.2:
            self._buffer.clear()
            self._buffer_start = self._heard
            return None
        return troubles.rng.uniform(0, troubles.refused_s)

    def _configure(
        self, session: dict[str, Any], event_id: str, now: float
    ) -> None:
        if event_id == "evt_change":
            if self.server.struck_by("refuse_change"):
                self._error(now, "invalid_value", event_id=event_id)
                return
            if self.server.struck_by("mute_change"):
                return
        self.model = session["audio"]["input"]["transcription"]["model"]
        self.prompt = session["audio"]["input"]["transcription"].get("prompt")
        self._next_detector = session["audio"]["input"]["turn_detection"]
        if not self._speaking:
            self._bind()
        if self.server.refuses_model:
            self._error(now, "model_not_found", event_id=event_id)
            self.server.refused_at = self.last_at
            return
        if self.server.struck_by("refuse_session"):
            self._error(now, "rate_limit_exceeded", event_id="evt_session")
            refused = (self.last_at + 0.05, 1013, "too many")
            self.close_at = min(refused, self.expiry or refused)
            return
        if self.server.struck_by("never_ready"):
            return
        self._say(now, type="session.updated", session={})

    def _bind(self) -> None:
        """No turn is under way: the latest settings hold."""
        detector = self._next_detector or {"type": ""}
        uncalled = self.server.troubles.own_lag_s is not None
        self._is_uncalled = uncalled and not self._next_detector
        if self._is_uncalled:
            detector = _UNCALLED
        self._detector = detector["type"]
        self._padding = ms(detector.get("prefix_padding_ms", 0))
        if self._detector == "server_vad":
            self._silence = ms(detector["silence_duration_ms"])
        self._end_after = self._silence

    def _error(self, now: float, code: str, **more: Any) -> None:
        error = {"type": "invalid_request_error", "code": code, **more}
        self._say(now, type="error", error=error)

    def _die(self, kind: str, now: float) -> None:
        """This was too much for it: what it had to say is lost."""
        self.died_of = kind
        self.close_at = (now, self.server.troubles.rng.choice(_FATAL), "dead")

    def _numb(self, point: str, now: float) -> None:
        """Perhaps it freezes here, and says no more of what it hears.

        The texts that are under way come, or do not.
        """
        if self.ears.freeze(point, now) and not self.ears.keeps:
            queue = [e for e in self._queue if _TRANSCRIPTION not in e[2]]
            heapq.heapify(queue)
            self._queue = queue

    def _hear(self, audio: bytes, now: float) -> None:
        if kind := self.doom.hears(audio, now):
            self._die(kind, now)
            return
        if not self._buffer and not self._detector:
            # This audio begins a turn.
            self._turn_prompt = self.prompt
        self._buffer += audio
        start = self._heard
        self._heard += len(audio)
        took = len(audio) / RATE / self.server.pace
        self.busy_until = max(self.busy_until, now) + took
        if not self._speaking:
            self._numb("frozen_before", now)
        self.ears.hears(audio, self.busy_until)
        if self.ears.numb_at is not None:
            return
        if not self._detector:
            self._early.look(self._buffer)
            return
        audio = without_noise(audio)
        # Walk over the runs of sound and silence in what came.
        at = 0
        while at < len(audio) and self.ears.numb_at is None:
            if not self._speaking:
                at = len(audio) - len(audio[at:].lstrip(SILENCE))
                if at >= len(audio):
                    return
                self._begin_turn(start + at, now)
            if audio[at] != SILENCE[0]:
                gap = audio.find(SILENCE, at)
                at = len(audio) if gap < 0 else gap
                self._quiet_from = start + at
                continue
            rest = audio[at:].lstrip(SILENCE)
            sound = len(audio) - len(rest)
            end = self._quiet_from + self._end_after
            if start + sound < end:
                at = sound
                continue
            at = end - start
            self._say(
                now,
                type="input_audio_buffer.speech_stopped",
                item_id=self._speaking,
                audio_end_ms=end * 1000 // RATE,
            )
            self._commit(end, now)

    def _begin_turn(self, onset: int, now: float) -> None:
        self._speaking = self.server.new_id()
        self._turn_prompt = self.prompt
        begin = max(onset - self._padding, self._buffer_start)
        self._say(
            now,
            type="input_audio_buffer.speech_started",
            item_id=self._speaking,
            audio_start_ms=begin * 1000 // RATE,
        )
        self._numb("frozen_in_turn", now)
        self._quiet_from = onset
        if self._detector == "semantic_vad":
            # How long it waits depends on what was said: another replay may
            # cut the same audio elsewhere.
            self._end_after = ms(self.server.rng.uniform(200, 900))

    def _announce(
        self, item_id: str, previous: str | None, now: float, late_s: float
    ) -> None:
        """The notices of an item, on their way or late."""
        troubles = self.server.troubles
        if troubles.strikes("late_notices", troubles.late):
            late_s += troubles.rng.uniform(0, troubles.late_s)
        late_at = max(self.last_at, self.busy_until, now) + late_s
        if troubles.late_in_order:
            late_at = self._notice_at = max(late_at, self._notice_at)
        for kind in (
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
        ):
            notice: dict[str, Any] = {
                "type": kind,
                "item_id": item_id,
                "item": {"id": item_id},
                "previous_item_id": previous,
            }
            if late_at <= max(self.last_at, self.busy_until, now):
                self._say(now, **notice)
            elif self.ears.numb_at is None:
                self.push(late_at, json.dumps(notice))

    def _commit(self, end: int, now: float, late_s: float = 0.0) -> None:
        size = end - self._buffer_start
        audio = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._buffer_start = end
        if self._detector and not self._speaking:
            self._turn_prompt = self.prompt
        early, self._early = self._early, _Early(self)
        item_id = self._speaking or early.item_id or self.server.new_id()
        previous, self._previous = self._previous, item_id
        troubles = self.server.troubles
        if troubles.root != "true":
            previous = troubles.root
        prompt, self._turn_prompt = self._turn_prompt, self.prompt
        self._speaking = ""
        self._bind()
        lost = troubles.strikes("chainless", troubles.lost)
        if lost:
            self.server.happened.add("no_committed")
        if not (lost or self.server.struck_by("no_committed")):
            self._announce(item_id, previous, now, late_s)
        if self.server.struck_by("error_event"):
            self._error(now, "unknown_thing", message="something else")
        self._numb("frozen_after_commit", now)
        if self.ears.numb_at is None:
            self._transcribe(item_id, audio, prompt, now, early, late_s)

    def _transcribe(
        self,
        item_id: str,
        audio: bytes,
        prompt: str | None,
        now: float,
        early: _Early,
        late_s: float,
    ) -> None:
        server = self.server
        rng, faults = server.rng, server.faults
        pieces = pieces_in(audio)
        words = [piece.text for piece in pieces]
        if not words and NOISE in audio and server.chance(faults.invent):
            words = [INVENTED]
        # No text of audio that it has not looked at yet.
        at = max(self.last_at, self.busy_until) + rng.uniform(0, faults.delay_s)
        at = max(at + late_s, early.told_at)
        name = item_id
        if not early.item_id and server.struck_by("wrong_id"):
            name = server.new_id()
        server.heard_under[name] = prompt
        server.meant[name] = pieces
        server.heard_by[name] = server.name, self.model
        if not early.told and server.struck_by("empty"):
            server.misheard[name] = pieces
            words = []
        # Of the longest turn all of it comes within some seconds.
        step = min(rng.choice((0.0, 0.0, 0.05)), 5 / (len(words) or 1))
        delta = {"type": _TRANSCRIPTION + "delta", "item_id": name}
        for word in words[early.told :]:
            text = json.dumps({**delta, "delta": word + " "})
            self.push(at, text)
            at += step
        if server.struck_by("no_completed"):
            return
        failure = server.troubles.failing.look(pieces, now, at)
        if failure is not None or server.struck_by("fail"):
            error = server.fails_with or _FAILED
            failed: dict[str, Any] = {
                "type": _TRANSCRIPTION + "failed",
                "item_id": name,
            }
            failed["error"] = error if failure is None else failure.error
            if server.fails_with is not None:
                server.refused_at = at
            text = json.dumps(failed)
            self.push(at, text)
            if failure is not None:
                self._failures[text] = failure
            return
        completed = {
            "type": _TRANSCRIPTION + "completed",
            "item_id": name,
            "transcript": " ".join(words),
        }
        self.push(at, json.dumps(completed))
        if server.struck_by("duplicate"):
            self.push(at + rng.uniform(0, 3), json.dumps(completed))
        if server.struck_by("late_delta"):
            late = json.dumps({**delta, "delta": LATE + " "})
            self.push(at + rng.uniform(0, 3), late)


class _Early:
    """The words that a live model tells before their turn is committed."""

    def __init__(self, connection: SimConnection) -> None:
        self._connection = connection
        self.item_id = ""
        self.told = 0
        self.told_at = 0.0

    def ends(self, audio: bytearray) -> None:
        """That is all of the turn, though nobody says more of it."""
        if self.item_id:
            heard = pieces_in(without_noise(bytes(audio)))
            self._connection.server.meant[self.item_id] = heard

    def look(self, audio: bytearray) -> None:
        """More of the turn's audio came."""
        connection = self._connection
        server = connection.server
        if not server.live:
            return
        heard = without_noise(bytes(audio))
        pieces = pieces_in(heard)
        if self.item_id:
            # Also where no commit comes, or it freezes.
            server.meant[self.item_id] = pieces
        if not heard.endswith(SILENCE):
            # The last one may go on.
            pieces = pieces[:-1]
        for piece in pieces[self.told :]:
            if not self.item_id:
                self.item_id = server.new_id()
                server.meant[self.item_id] = pieces_in(heard)
                server.heard_under[self.item_id] = connection.prompt
                server.heard_by[self.item_id] = server.name, connection.model
            self.told += 1
            late_s = server.rng.uniform(0, server.faults.delay_s)
            # Not before the notices of the turns before it.
            told_at = max(connection.busy_until + late_s, connection.last_at)
            self.told_at = max(self.told_at, told_at)
            delta = {"type": _TRANSCRIPTION + "delta", "item_id": self.item_id}
            text = json.dumps({**delta, "delta": piece.text + " "})
            connection.push(self.told_at, text)


class SimServer:
    """Accepts sessions; shared randomness, ids and faults.

    ``life``: seconds until a session expires.  ``pace``: how many seconds of
    audio it looks at in a second; ``reads_ahead``: PONGs do not wait for that.
    ``misheard``: the pieces of items for which
    the server sent an empty transcript.  ``heard_under``: the prompt that was
    in force when an item's audio began, ``meant``: what its whole text says.
    ``struck`` counts the faults that happened.  ``heard_by``: the name of the
    server and the model that heard an item.  ``fails_with``: the error of turns
    that fail; ``refuses_model``: settings are refused; ``refused_at``: when it
    refused for good last.
    """

    def __init__(
        self,
        rng: random.Random,
        faults: Faults | None = None,
        life: float | None = None,
        tells_expiry: bool = True,
        troubles: Troubles | None = None,
    ) -> None:
        self.rng = rng
        self.troubles = troubles or Troubles(random.Random(0))
        self.faults = faults or Faults()
        self.life = life
        self.tells_expiry = tells_expiry
        self.pace = math.inf
        #: Does a model hear whose words come before the end of their turn?
        self.live = False
        self.reads_ahead = False
        self.count = 0
        self.struck = 0
        self.happened: set[str] = set()
        self.misheard: dict[str, list[Piece]] = {}
        self.heard_under: dict[str, str | None] = {}
        self.meant: dict[str, list[Piece]] = {}
        self.heard_by: dict[str, tuple[str, str]] = {}
        self.name = ""
        self.fails_with: dict[str, Any] | None = None
        self.refuses_model = False
        self.refused_at = -math.inf
        self._ids = 0

    def twin(self) -> SimServer:
        """Another one that misbehaves alike; of what both said there is one
        account."""
        return copy.copy(self)

    @staticmethod
    def wall(now: float) -> float:
        """The server's unix time."""
        return 1_700_000_000.0 + now

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability

    def struck_by(self, name: str) -> bool:
        """Does this fault happen now?"""
        happens = self.chance(getattr(self.faults, name))
        self.struck += happens
        if happens:
            self.happened.add(name)
        return happens

    def latency(self) -> float:
        return self.rng.uniform(0.001, 0.2)

    def new_id(self) -> str:
        self._ids += 1
        return f"item_{self.name}{self._ids}"
