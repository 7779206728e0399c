"""What has been heard so far: finals in order, interims still open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Word:
    """One word with its place in the audio (ms from the first sample)."""

    text: str
    start_ms: int
    duration_ms: int


@dataclass(frozen=True)
class Result:
    """One `asr_result` message.

    `start_ms` and `duration_ms` are positions in the audio that the ASR
    extension received. `words` is empty where the service sends none.
    """

    id: str
    text: str
    final: bool
    start_ms: int
    duration_ms: int
    language: str = ""
    words: tuple[Word, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end_ms(self) -> int:
        """Where the result ends in the audio, in ms."""
        return self.start_ms + self.duration_ms

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> "Result":
        """Read a message body; fields that are missing get defaults.

        Raises:
            ValueError: if a field holds something of the wrong kind.
        """
        try:
            words = tuple(
                Word(
                    str(word["word"]),
                    int(word["start_ms"]),
                    int(word["duration_ms"]),
                )
                for word in message.get("words") or ()
            )
            return cls(
                id=str(message.get("id") or ""),
                text=str(message.get("text") or ""),
                final=bool(message.get("final")),
                start_ms=max(0, int(message.get("start_ms") or 0)),
                duration_ms=max(0, int(message.get("duration_ms") or 0)),
                language=str(message.get("language") or ""),
                words=words,
                metadata=dict(message.get("metadata") or {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"asr_result cannot be read: {error!r}") from error


class Transcript:
    """Collects results: `finals` is append-only, interims get replaced."""

    def __init__(self) -> None:
        self.finals: list[Result] = []
        self._interims: dict[str, Result] = {}

    def add(self, result: Result) -> bool:
        """Take one result in; True if it became a line of the transcript.

        A final closes every interim that began before the final's end,
        because turns arrive in the order in which they were spoken. Ids
        alone would not do: the TEN base class (0.7) gives the interims of
        a turn that starts early the id of the turn before it.
        """
        if not result.final:
            self._interims[result.id] = result
            return False
        closed_before = max(result.end_ms, result.start_ms + 1)
        self._interims = {
            key: interim
            for key, interim in self._interims.items()
            if interim.start_ms >= closed_before
        }
        if not result.text.strip():
            return False
        self.finals.append(result)
        return True

    def clear_interims(self) -> None:
        """Forget what was not final (at the end of a run)."""
        self._interims.clear()

    @property
    def interim_text(self) -> str:
        """The text of all open interims in spoken order."""
        ordered = sorted(self._interims.values(), key=lambda r: r.start_ms)
        return " ".join(r.text.strip() for r in ordered if r.text.strip())
