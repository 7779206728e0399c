"""What a simulated service does wrong by amount, by content or for a time.

Each has a name, a *kind* (`KINDS`).  They have dice of their own, so that the
other faults of a call are the same with and without them.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .words import RATE, Piece, word_at

#: Every kind of fault that a call can have, and what it is.
KINDS = {
    "old": "connections, items, events and settings, by chance and by time",
    "frozen_before": "no word about speech any more, but PONGs",
    "frozen_in_turn": "the same from a speech_started on",
    "frozen_after_commit": "the same from a committed on: never a text",
    "gap": "the caller sends nothing for a while",
    "failing_timed": "turns fail, with a time to try again",
    "failing_untimed": "turns fail, without a time to try again",
    "failing_long": "the same, some with a time that is too long to wait for",
    "refused_timed": "connections are refused, with Retry-After",
    "death_by_audio": "a session dies after so much audio",
    "death_by_messages": "a session dies after so many messages",
    "death_by_speed": "a session dies of much audio in one second",
    "death_by_word": "a session dies of the sound of a word",
    "chainless": "items that name none before them, and lost notices",
    "swallowed": "a commit without an answer, and perhaps its audio is gone",
    "uncommitted": "an error for a commit; an item follows, or nothing",
    "late_notices": "notices of items come late, behind texts and others",
    "own_detector": "a server that ends the client's turns, late, and fails",
    "silent_start": "a call begins with long silence",
    "steady_sound": "music and steady noise, which are no speech",
    "stop": "the call is over at any moment",
    "endpoints": "several services, each of which fails for a while",
}
FAILING = tuple(kind for kind in KINDS if kind.startswith("failing"))
FREEZES = tuple(kind for kind in KINDS if kind.startswith("frozen"))
DEATHS = tuple(kind for kind in KINDS if kind.startswith("death"))
_GROUP = re.compile(rb"\x01([\x20-\x5f]{4})[\xa0-\xc7]")
#: A session notices a word within the first of these, its trip included; one
#: that was silent for the second knows nothing of it.
_SILENT_S = (0.5, 8.0)
#: Times that are too long for some turns, or for all, in s, and how often.
_LONG_S, _LONG = (20.0, 28.0, 45.0, 80.0, 3600.0), 0.4
#: Errors of .failed that pass, without a time.
_PASSING: tuple[dict[str, Any], ...] = (
    {
        "type": "server_error",
        "code": None,
        "message": "The server had an error while processing your request.",
    },
    {"type": "rate_limit_exceeded", "message": "Rate limit reached."},
    {"type": "server_error"},
    {},
)


class Death(NamedTuple):
    """A session died of what it was sent, at a time.

    ``front``: the first word that was then neither delivered nor reported;
    ``last``: the last one that the session had heard, 0 for none;
    ``weight``: half for an end without a CLOSE frame, as of a broken line.
    """

    kind: str
    now: float
    front: int
    last: int
    weight: float


@dataclass
class Failure:
    """A turn that fails: what was said in it, when it was asked for, when the
    client is told, when it may be sent again, and the error that says so."""

    pieces: tuple[Piece, ...]
    asked: float
    at: float
    not_before: float
    error: dict[str, Any]


class Failing:
    """Turns that fail for a reason that passes.

    ``until``: all do, so long; ``once``: so many, each at its first try;
    ``row``: so many tries of any.  ``timed``: the message says when to try
    again, and is right; ``long``: that may be a long time.  ``first``,
    ``last``: the first and the last failure of each word, or piece of one, that
    the client was told; ``longest``: the longest time in s that was named.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.timed = self.long = False
        self.until = 0.0
        self.once = 0
        self.row = 0
        self.turns = 0
        self.first: dict[int, Failure] = {}
        self.last: dict[int, Failure] = {}
        self.longest: dict[int, float] = {}
        self._last_of: dict[Piece, Failure] = {}
        self._seen: set[Piece] = set()
        self._tries: deque[tuple[Piece, float]] = deque(maxlen=64)
        self.complaint = ""
        #: The same, of a turn that came too early.
        self.too_early = ""

    def stop(self) -> None:
        """All is well."""
        self.until, self.once, self.row = 0.0, 0, 0

    def look(
        self, pieces: list[Piece], now: float, at: float
    ) -> Failure | None:
        """Does a turn fail that was committed now, its answer due ``at``?"""
        if not pieces:
            return None
        self._look_at_pause(pieces[0], now)
        is_new = pieces[0] not in self._seen
        wait = self._rng.uniform(0.3, 6)
        if at < self.until:
            wait = self.until - at
        elif self.row > 0:
            self.row -= 1
        elif self.once > 0 and is_new:
            self.once -= 1
        else:
            return None
        self._seen.update(pieces)
        if self.long and self._rng.random() < _LONG:
            wait = self._rng.choice(_LONG_S)
        error = dict(self._rng.choice(_PASSING))
        not_before = at
        if self.timed:
            # Whole ms, rounded up, as such messages have them.
            wait = int(wait * 1000 + 1) / 1000
            not_before = at + wait
            text = f"{wait:g}s" if wait >= 1 else f"{wait * 1000:.0f}ms"
            error = {
                "type": "rate_limit_error",
                "code": "rate_limit_exceeded",
                "message": f"Rate limit reached for gpt-4o-transcribe. Please"
                f" try again in {text}.",
            }
        return Failure(tuple(pieces), now, at, not_before, error)

    def told(self, failure: Failure) -> None:
        """The client got it."""
        self.turns += failure.pieces[0] not in self._last_of
        for piece in failure.pieces:
            word = piece.word
            self.first.setdefault(word, failure)
            wait = failure.not_before - failure.at
            self.longest[word] = max(self.longest.get(word, 0.0), wait)
            self.last[word] = self._last_of[piece] = failure

    def _look_at_pause(self, first: Piece, now: float) -> None:
        last = self._last_of.get(first)
        if last is None:
            return
        if now < last.not_before - 0.001:
            early_s = last.not_before - now
            self.too_early = (
                f"{first.text} is sent again {early_s:.3f} s before the time"
                " that the service named"
            )
        self._tries.append((first, now))
        recent = sum(p == first and at > now - 1 for p, at in self._tries)
        if recent > 4:
            self.complaint = f"{first.text} is tried {recent} times in 1 s"


@dataclass
class Troubles:
    """The kinds of a call that are the service's.

    ``freezes``: a session's chance for each kind; ``audio_s``, ``messages``,
    ``burst_s``: the least and the most that a session lives for, and that it
    takes in a second; ``poison``: the words
    that kill.  ``root``: what each item names as the one before it; "true" is
    what it should.  ``lost``: the chance of a notice to be lost, ``swallows``
    that of a commit of the client's, ``refuses`` that of an error for one;
    ``keeps_refused``: then no item follows, and the audio stays;
    ``refused_s``: an item that does may be so late.  ``late``: the chance of a
    late notice, ``late_s``: how late at most, ``late_in_order``: none overtakes
    another one.
    ``own_lag_s``: how late the events of a
    detector come that nobody asked for; None: there is none.
    ``came`` counts what happened, by kind; ``silent_about``: for
    how long each session that heard a word said nothing about speech, in s.
    """

    rng: random.Random
    freezes: dict[str, float] = field(default_factory=dict)
    audio_s: tuple[float, float] | None = None
    messages: tuple[int, int] | None = None
    burst_s: tuple[float, float] | None = None
    poison: set[int] = field(default_factory=set)
    root: str | None = "true"
    lost: float = 0.0
    swallows: float = 0.0
    refuses: float = 0.0
    keeps_refused: bool = False
    refused_s: float = 0.0
    late: float = 0.0
    late_s: float = 0.0
    late_in_order: bool = True
    own_lag_s: float | None = None
    came: Counter[str] = field(default_factory=Counter)
    deaths: deque[Death] = field(default_factory=lambda: deque(maxlen=64))
    silent_about: defaultdict[int, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    failing: Failing = field(init=False)

    def __post_init__(self) -> None:
        self.failing = Failing(self.rng)

    def strikes(self, kind: str, chance: float) -> bool:
        """Does a fault of this kind happen now?"""
        happens = chance > 0 and self.rng.random() < chance
        self.came[kind] += happens
        return happens

    def stop(self) -> None:
        """All is well, but for what a service always does."""
        self.freezes.clear()
        self.failing.stop()
        self.lost = self.swallows = self.refuses = self.late = 0.0


class Doom:
    """What one session dies of."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        rng = troubles.rng
        self._audio = self._messages = -1
        if troubles.audio_s is not None:
            self._audio = int(rng.uniform(*troubles.audio_s) * RATE)
        if troubles.messages is not None:
            self._messages = rng.randint(*troubles.messages)
        self._burst = math.inf
        if troubles.burst_s is not None:
            self._burst = rng.uniform(*troubles.burst_s) * RATE
        self._recent: deque[tuple[float, int]] = deque()
        self._tail = b""
        #: The last word of which it heard something.
        self.last = 0

    def message(self) -> str:
        """Another message came; the kind that it is too much for, or ""."""
        if self._messages < 0:
            return ""
        self._messages -= 1
        return "" if self._messages >= 0 else "death_by_messages"

    def hears(self, audio: bytes, now: float) -> str:
        """Audio came; the kind that it is deadly for, or ""."""
        troubles = self._troubles
        if not (
            troubles.poison
            or troubles.audio_s
            or troubles.messages
            or troubles.burst_s
        ):
            return ""
        heard = self._tail + audio
        self._tail = heard[-5:]
        self.last = word_at(heard, heard.rfind(b"\x01", 0, -4)) or self.last
        if troubles.poison:
            # The middle of a word is enough.
            for word in words_in(heard, 20):
                if word in troubles.poison:
                    self.last = word
                    return "death_by_word"
        if self._audio >= 0:
            self._audio -= len(audio)
            if self._audio < 0:
                return "death_by_audio"
        if self._burst < math.inf:
            self._recent.append((now, len(audio)))
            while self._recent[0][0] <= now - 1:
                self._recent.popleft()
            if sum(size for _, size in self._recent) > self._burst:
                return "death_by_speed"
        return ""


class Ears:
    """Whether a session still says what it hears.

    ``kind``: how it will freeze, or ""; ``numb_at``: since when it is frozen.
    """

    def __init__(self, troubles: Troubles, now: float) -> None:
        self._troubles = troubles
        rng = troubles.rng
        self._opened, self._heard = now, 0
        #: In s: half of what came faster than speech, for it may take so much
        #: longer to look at it.
        self.lead_s = 0.0
        self.kind = ""
        for kind, chance in sorted(troubles.freezes.items()):
            if rng.random() < chance:
                self.kind = kind
        self._left = int(rng.choice((0, 0, rng.uniform(0, 20))) * RATE)
        #: Are answers that are under way still given?
        self.keeps = rng.random() < 0.5
        self.numb_at: float | None = None
        #: When each word was read, and the first commit after it froze.
        self.words: dict[int, float] = {}
        self.numb_words: dict[int, float] = {}
        #: When the rest of a word came of which it had heard the begin.
        self._rests: dict[int, float] = {}
        self.commit_at: float | None = None

    def plan(self, kind: str) -> None:
        """It freezes at the next point of this kind."""
        self.kind, self._left = kind, 0

    def hears(self, audio: bytes, now: float) -> None:
        """Audio came, to be read at ``now``."""
        if not self.kind:
            return
        self._left -= len(audio)
        self._heard += len(audio)
        lead_s = self._heard / RATE - (now - self._opened)
        self.lead_s = max(self.lead_s, lead_s / 2)
        words = self.words if self.numb_at is None else self.numb_words
        for word in words_in(audio):
            if word not in self.words:
                words.setdefault(word, now)
            elif self.numb_at is not None:
                self._rests.setdefault(word, now)

    def freeze(self, point: str, now: float) -> bool:
        """The session is at this point: does it freeze here?"""
        if self.kind != point or self._left > 0 or self.numb_at is not None:
            return False
        self.numb_at = now
        self._troubles.came[self.kind] += 1
        return True

    def silent_for(self, word: int, now: float) -> float:
        """How long did it know the word, and say nothing about it?

        Of a turn that never ends it did: that it began.
        """
        since = self.numb_words.get(word, self._rests.get(word))
        if self.kind == "frozen_in_turn" or since is None:
            return 0.0
        return now - since

    def over(self, now: float) -> None:
        """The session is over."""
        for word in {*self.numb_words, *self._rests}:
            silent_s = self.silent_for(word, now)
            self._troubles.silent_about[word].append(silent_s)


def is_no_speech(silent_s: list[float]) -> bool:
    """Were sessions silent about it for so long that it was no speech?"""
    shorter, longer = _SILENT_S
    silent = [seconds for seconds in silent_s if seconds >= shorter]
    return len(silent) >= 2 and max(silent) >= longer


def words_in(audio: bytes, group: int | None = None) -> set[int]:
    """The words of which there is anything, or this group of samples."""
    found = set()
    for match in _GROUP.finditer(audio):
        if group is None or audio[match.end() - 1] == 0xA0 + group:
            found.add(word_at(audio, match.start()))
    return found
