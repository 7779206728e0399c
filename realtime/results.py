"""What the core tells its user.  Times are integers of milliseconds, counted
in the audio of the call (its first sample is 0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .faults import Fault

DropCause = Literal["overflow", "given_up", "stopped", "unheard"]
#: From when on other settings hold, where they do.
Applies = Literal["", "at once", "next turn", "new session"]


@dataclass(frozen=True)
class SessionReady:
    """A session accepted its settings.  ``recovered`` after an outage."""

    session_id: str
    connect_ms: int
    recovered: bool = False
    replayed_ms: int = 0


@dataclass(frozen=True)
class TimedText:
    """A word of a turn, or what one speaker said in it."""

    text: str
    start_ms: int
    duration_ms: int
    speaker: str = ""


@dataclass(frozen=True)
class TurnResult:
    """The text of one turn: so far (interim) or for good (final).

    ``text`` is the whole text of the turn, not the last piece.  ``model``
    wrote it.  ``languages``
    are the codes that the server reported, ``hints`` those that it was told
    to expect.  ``usage`` is as the server sent it; ``logprobs`` are the
    logarithmic probabilities of the tokens, where ``include`` asked for them.
    ``early``: it is for good because the time was up.  ``words`` and
    ``speakers`` are told by some services, with a text that is for good.
    ``endpoint``: which of the call's several services heard it.
    """

    item_id: str
    text: str
    start_ms: int
    duration_ms: int
    model: str = ""
    languages: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    usage: Mapping[str, Any] = field(default_factory=dict)
    logprobs: Sequence[float] = ()
    early: bool = False
    words: Sequence[TimedText] = ()
    speakers: Sequence[TimedText] = ()
    endpoint: str = ""


@dataclass(frozen=True)
class Interim:
    turn: TurnResult


@dataclass(frozen=True)
class Final:
    """A turn's last word.  ``turn.text`` may be empty: nothing was said."""

    turn: TurnResult


@dataclass(frozen=True)
class LateFinal:
    """The server's last word about a turn whose final was early.

    ``changed_words``: how many words of one of both texts the other has not,
    of the larger number; None where they are the same.
    """

    item_id: str
    changed_words: int | None
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TurnCommitted:
    """The audio of a turn is complete; its text is on the way."""

    item_id: str


@dataclass(frozen=True)
class TurnFailed:
    """A turn will never get its text; its audio is given up and reported."""

    item_id: str
    start_ms: int
    duration_ms: int
    fault: Fault


@dataclass(frozen=True)
class FinalizeEnd:
    """Everything received before a finalize is delivered.

    ``timed_out``: the bound was hit first; what is missing is still held and
    follows when the service answers.
    """

    token: object
    waited_ms: int
    timed_out: bool = False


@dataclass(frozen=True)
class ServerProblem:
    """An ``error`` event on a session that goes on."""

    fault: Fault


@dataclass(frozen=True)
class SessionLost:
    """No session, or none yet; ``retry_ms`` until the next attempt.

    With ``fault.fatal`` there is no next attempt.  ``replaced``: another
    session stood ready and takes over at once.
    """

    fault: Fault
    retry_ms: int
    attempt: int
    was_ready: bool
    replaced: bool = False


@dataclass(frozen=True)
class InternalFault:
    """Something of ours went wrong, and the call goes on."""

    fault: Fault


@dataclass(frozen=True)
class AudioDropped:
    """Audio that can no longer be delivered: the buffer's bound was hit, or
    the call was given up or stopped."""

    start_ms: int
    duration_ms: int
    cause: DropCause = "overflow"


@dataclass(frozen=True)
class SettingsChanged:
    """The answer to a change of the settings while the call goes on.

    ``refused`` tells why the old settings stay in force, or is None.
    ``applies``: from when on they hold, where they do.
    """

    refused: Fault | None
    applies: Applies = ""


Result = (
    SessionReady
    | Interim
    | Final
    | LateFinal
    | TurnCommitted
    | TurnFailed
    | FinalizeEnd
    | ServerProblem
    | SessionLost
    | InternalFault
    | AudioDropped
    | SettingsChanged
)
