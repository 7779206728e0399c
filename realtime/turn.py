"""One turn of speech, as the server's events tell of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .errors import ErrorInfo
from .events import MAX_TEXT, MAX_TOKENS, ServerEvent, clean_language
from .settings import SessionSettings
from .states import Machine
from .timed_text import Timed, timed_in

#: Languages that are told of one turn.
_MAX_LANGUAGES = 8


class TurnState(Enum):
    """How far the server is with a turn."""

    GUESSED = "there is text of it, or a commit of ours, and no notice yet"
    SPEAKING = "the server's detector hears it begin"
    STOPPED = "the server's detector heard its end"
    COMMITTED = "its audio is complete, its text is on the way"
    EARLY = "its text so far was its final, as the time was up"
    DONE = "its last word is there"
    FAILED = "the server says that it will have no text"


_S = TurnState
TURN_MOVES = {
    _S.GUESSED: frozenset({_S.SPEAKING, _S.STOPPED, _S.COMMITTED}),
    _S.SPEAKING: frozenset({_S.STOPPED, _S.COMMITTED}),
    _S.STOPPED: frozenset({_S.COMMITTED}),
    _S.COMMITTED: frozenset({_S.EARLY, _S.DONE, _S.FAILED}),
    _S.EARLY: frozenset({_S.DONE, _S.FAILED}),
    _S.DONE: frozenset[TurnState](),
    _S.FAILED: frozenset[TurnState](),
}
#: More audio goes into a turn while it is in one of these.
OPEN_STATES = (_S.GUESSED, _S.SPEAKING)


@dataclass(eq=False)
class Turn:
    """One item: a stretch of audio and its text.  Positions in samples.

    ``begin``: where the turn's audio starts, padding included; ``onset``: where
    the server's detector heard it begin, 0 where that is not sure.  ``end``:
    the boundary after its audio, None while it is open.  ``from_server``: the
    server's detector found it.  ``has_silence``: it found its end as well, so
    the silence that ended it is a part of the turn.  ``by_commit``: a commit of
    ours ended it.  ``clipped``: the session had no audio before it, so there
    may be less padding.  ``start``: where its speech begins, once that was
    reported.  ``settings``: those in force when its audio began.
    ``refused``: why the server made no item at our commit, if it did not;
    ``unended_since``: when it made none of a turn that is open, in seconds.
    ``ended_at``: when its audio was complete, ``text_since``: when there was
    text of it first, in seconds; 0 until then, and where that may be
    another's; ``heard_at``: when there was more of it last.  ``said``: its
    final, where that came before the server's last word.  ``words``,
    ``speakers``: what was said when, and by whom, if the server told it.
    """

    item_id: str
    begin: int
    settings: SessionSettings
    end: int | None = None
    from_server: bool = False
    has_silence: bool = False
    by_commit: bool = False
    clipped: bool = False
    onset: int = 0
    refused: ErrorInfo | None = None
    unended_since: float = 0.0
    waiting_since: float = 0.0
    ended_at: float = 0.0
    text: str = ""
    text_since: float = 0.0
    heard_at: float = 0.0
    transcript: str = ""
    failure: ErrorInfo | None = None
    failed_at: float = 0.0
    languages: tuple[str, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    logprobs: list[float] = field(default_factory=list)
    start: int | None = None
    said: str | None = None
    words: tuple[Timed, ...] = ()
    speakers: tuple[Timed, ...] = ()
    _machine: Machine[TurnState] = field(
        default_factory=lambda: Machine(TurnState.GUESSED, TURN_MOVES)
    )

    @property
    def state(self) -> TurnState:
        return self._machine.state

    @property
    def closed(self) -> bool:
        """No more audio goes into this turn."""
        return self.state not in OPEN_STATES

    @property
    def committed(self) -> bool:
        """The server made an item of it."""
        return self.decided or self.state is TurnState.COMMITTED

    @property
    def end_is_guess(self) -> bool:
        """Was the notice of its item ahead of the end of its speech?"""
        told = self.has_silence or self.by_commit
        return self.from_server and self.committed and not told

    @property
    def decided(self) -> bool:
        """What is said of this turn is decided, by the server's last word or
        by its text so far."""
        return self.state in (TurnState.DONE, TurnState.FAILED, TurnState.EARLY)

    # -- events --------------------------------------------------------------

    def speech_started(self) -> None:
        self._machine.to(TurnState.SPEAKING)
        self.from_server = True

    def speech_stopped(self, end: int, now: float) -> None:
        self.end = max(end, self.begin)
        if not self.end_is_guess:
            self._machine.to(TurnState.STOPPED)
            self.waiting_since = self.ended_at = now
        self.from_server = self.has_silence = True

    def commit(self, now: float) -> None:
        """Its item exists, or must exist."""
        self._machine.to(TurnState.COMMITTED)
        self.waiting_since = now
        self.ended_at = self.ended_at or now

    def wait_from(self, now: float) -> None:
        """The turns before it are through; its answer is awaited from now."""
        self.waiting_since = max(self.waiting_since, now)

    def end_early(self) -> None:
        """Its text so far is its final."""
        self._machine.to(TurnState.EARLY)
        self.said = self.transcript = self.text

    def add_text(self, event: ServerEvent, now: float) -> None:
        """A ``delta``."""
        blank = not self.text.strip()
        self.text = (self.text + event.text("delta"))[:MAX_TEXT]
        self.heard_at = now
        if blank and self.text.strip():
            self.text_since = now
        if self.state is not TurnState.EARLY:
            free = MAX_TOKENS - len(self.logprobs)
            self.logprobs.extend(event.logprobs()[:free])

    def complete(
        self, event: ServerEvent, position_of_ms: Callable[[int], int]
    ) -> None:
        """``completed``; without a transcript the deltas are the text.
        ``position_of_ms``: of a time that the server counts."""
        self._machine.to(TurnState.DONE)
        told = isinstance(event.fields.get("transcript"), str)
        self.transcript = event.text("transcript") if told else self.text
        self.usage = event.counts("usage")
        self.languages = tuple(
            code
            for entry in event.objects("languages")[:_MAX_LANGUAGES]
            if (code := clean_language(entry.get("code")))
        )
        self.logprobs = event.logprobs() or self.logprobs
        samples = 0 if self.end is None else self.end - self.begin
        seconds = samples / self.settings.rate
        self.words = timed_in(event, "words", position_of_ms, seconds)
        self.speakers = timed_in(event, "speakers", position_of_ms, seconds)

    def fail(self, failure: ErrorInfo, now: float) -> None:
        """``failed``, or its commit was refused."""
        self._machine.to(TurnState.FAILED)
        self.failure = failure
        self.failed_at = now
