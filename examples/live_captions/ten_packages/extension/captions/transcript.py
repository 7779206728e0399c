"""What has been heard so far: finals in order, interims still open."""

from typing import Any

from pydantic import BaseModel, computed_field


class Word(BaseModel):
    """One word; times are ms from the first sample of the audio."""

    word: str
    start_ms: int
    duration_ms: int


class Result(BaseModel):
    """One `asr_result` message."""

    id: str = ""
    text: str = ""
    final: bool = False
    start_ms: int = 0
    duration_ms: int = 0
    language: str = ""
    words: list[Word] = []
    metadata: dict[str, Any] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def end_ms(self) -> int:
        """Where the result ends in the audio."""
        return self.start_ms + self.duration_ms


class Transcript:
    """Collects results: `finals` only grows, interims get replaced."""

    def __init__(self) -> None:
        self.finals: list[Result] = []
        self._interims: dict[str, Result] = {}

    def add(self, result: Result) -> bool:
        """Take one in; True if it became a line of the transcript.

        A final closes every interim that began before the final's end. Ids
        alone would not do: the TEN base class (0.7) gives the interims of a
        turn that starts early the id of the turn before it.
        """
        if not result.final:
            self._interims[result.id] = result
            return False
        end_ms = result.start_ms + max(1, result.duration_ms)
        for key, interim in list(self._interims.items()):
            if interim.start_ms < end_ms:
                del self._interims[key]
        if not result.text.strip():
            return False
        self.finals.append(result)
        return True

    @property
    def interim_text(self) -> str:
        """The text of all open interims in spoken order."""
        spoken = sorted(self._interims.values(), key=lambda r: r.start_ms)
        return " ".join(filter(None, (r.text.strip() for r in spoken)))
