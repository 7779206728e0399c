"""From the state of a turn to what the user is told, with true times."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from .audio_buffer import AudioBuffer
from .faults import Fault
from .results import (
    AudioDropped,
    DropCause,
    Final,
    Interim,
    LateFinal,
    Result,
    TurnFailed,
    TurnResult,
)
from .session import Session
from .settings import SessionSettings
from .spans import Span
from .timed_text import within
from .turn import Turn

#: How much of the last turn's speech is kept to compare with, in ms.
_VOICE_SAMPLE_MS = 300


def _begin_of_report(
    turn: Turn,
    buffer: AudioBuffer,
    spoken_to: int,
    speech_start: Callable[[Turn, int], int],
) -> int:
    """Where a turn begins that is given up, as samples of the call."""
    begin = max(turn.begin, buffer.watermark)
    if begin < buffer.start:
        # Whether its padding was silence cannot be seen any more.
        return max(turn.begin, spoken_to)
    start = speech_start(turn, turn.begin if turn.end is None else turn.end)
    # What the server took for padding may hold a word.
    return min(buffer.first_sound(begin) or start, start)


class ResultQueue:
    """Collects results; keeps times in order and turns without overlap.

    A turn's times are those of its speech, not of its padding: the server
    counts ``prefix_padding_ms`` before the onset and the silence that ended
    the turn as parts of it.  Where no detector spoke (client commits, padding
    cut short by the turn before) the audio itself is looked at.
    """

    def __init__(self, buffer: AudioBuffer, settings: SessionSettings) -> None:
        self.results: deque[Result] = deque()
        self.dropped = 0
        self.billed = 0
        self.finals = 0
        self.late_finals = 0
        self.late_final_words = 0
        self._buffer = buffer
        self._rate = settings.rate
        self.configure(settings)
        self._spoken_to = 0
        self._gaps: list[tuple[int, int]] = []
        #: The stretch that was shown of the turn that is next to be final.
        self._shown_span: Span | None = None
        self._voice = b""
        self._shown: tuple[str, str] | None = None

    def configure(self, settings: SessionSettings) -> None:
        """From now on turns come from a session with these settings."""
        self._settings = settings

    def _padding(self, turn: Turn) -> int:
        return self.samples(turn.settings.prefix_padding_ms)

    def _silence(self, turn: Turn) -> int:
        return self.samples(turn.settings.silence_duration_ms)

    def samples(self, ms: int) -> int:
        """A length in ms as a number of samples."""
        return ms * self._rate // 1000

    def tell(self, result: Result) -> None:
        """Something that is no text."""
        self.results.append(result)

    def ms(self, samples: int) -> int:
        """A number of samples in ms, rounded down."""
        return samples * 1000 // self._rate

    def final(self, turn: Turn) -> None:
        """Report the last word of a settled turn."""
        if self._is_noise_tail(turn):
            # There is nothing that a later word could differ from.
            turn.said = None
        else:
            text = turn.transcript.strip()
            self.results.append(Final(self._result(turn, text, turn.end)))
        self.finals += 1
        self.billed += max((turn.end or turn.begin) - turn.begin, 0)
        self._next_turn(turn)

    def late(self, turn: Turn) -> None:
        """If that is the last word of a turn that had its final before, it is
        not said again, but counted where it differs."""
        if turn.said is None:
            return
        said = turn.said.split()
        meant = turn.transcript.split()
        changed = None
        if said != meant:
            changed = _changed_words(said, meant)
            self.late_finals += 1
            self.late_final_words += changed
        self.results.append(LateFinal(turn.item_id, changed, turn.usage))

    def failed(self, turn: Turn, fault: Fault) -> None:
        """Report that a turn's audio is given up."""
        turn.start = _begin_of_report(
            turn, self._buffer, self._spoken_to, self._speech_start
        )
        result = self._result(turn, "", turn.end)
        self.results.append(
            TurnFailed(turn.item_id, result.start_ms, result.duration_ms, fault)
        )
        if turn.end is not None:
            self.dropped += max(turn.end - self._buffer.watermark, 0)
        self._next_turn(turn)

    def _next_turn(self, turn: Turn) -> None:
        shown, self._shown = self._shown_span, None
        if shown is None or turn.end is None or shown[0] < turn.end:
            # Else it was that of a later one, and an earlier session's.
            self._shown_span = None

    def dropped_audio(
        self, start: int, stop: int, cause: DropCause = "overflow"
    ) -> None:
        """Report audio that gave way, but for what was reported before.

        A session may have had the audio before a stretch that gave way; when
        it is lost, only that is news.
        """
        watermark = self._buffer.watermark
        told = [gap for gap in self._gaps if gap[1] > watermark]
        self._gaps = told[:]
        for gap_start, gap_stop in told:
            self._report_dropped(start, min(stop, gap_start), cause)
            start = max(start, gap_stop)
        self._report_dropped(start, stop, cause)
        self._gaps.sort()

    def _report_dropped(self, start: int, stop: int, cause: DropCause) -> None:
        """Adjoining stretches of one cause are one report."""
        if start >= stop:
            return
        self._gaps.append((start, stop))
        self.dropped += stop - start
        begin_ms = self.ms(start)
        last = self.results[-1] if self.results else None
        if (
            isinstance(last, AudioDropped)
            and last.cause == cause
            and last.start_ms + last.duration_ms == begin_ms
        ):
            self.results.pop()
            begin_ms = last.start_ms
        length_ms = self.ms(stop) - begin_ms
        self.results.append(AudioDropped(begin_ms, length_ms, cause))

    def interim(self, session: Session) -> None:
        """Report the text so far of the turn that is next to be final.

        Later turns wait, so that their texts do not mix.
        """
        turn = session.turns.head()
        if turn is None or turn.decided:
            return
        text = turn.text.strip()
        if not text or self._shown == (turn.item_id, text):
            return
        end = _end_so_far(turn, session)
        if end is None or self._is_early_guess(turn, end):
            return
        if self._is_noise_tail(turn):
            return
        self._shown = (turn.item_id, text)
        result = self._result(turn, text, end)
        self._shown_span = self._speech_start(turn, end), end
        last = self.results[-1] if self.results else None
        if isinstance(last, Interim) and last.turn.item_id == turn.item_id:
            # Nobody has taken that one yet, and this one holds its text.
            self.results.pop()
        self.results.append(Interim(result))

    def _is_noise_tail(self, turn: Turn) -> bool:
        """Did a commit of ours come just after the server's own?

        Then it cut off only the silence behind the turn, or the line's noise,
        which does not stand out against the voice before; and any text of it
        is invented.
        """
        return (
            self._settings.turn_owner == "server"
            and turn.by_commit
            and not turn.from_server
            and turn.end is not None
            and turn.begin >= self._buffer.start
            and not self._buffer.stands_out(self._voice, turn.begin, turn.end)
        )

    def _is_early_guess(self, turn: Turn, end: int) -> bool:
        """Is this text for audio in which nothing was said yet?"""
        return (
            self._settings.turn_owner == "client"
            and turn.begin >= self._buffer.start
            and not self._buffer.has_speech(turn.begin, end)
        )

    def _result(self, turn: Turn, text: str, end: int | None) -> TurnResult:
        if end is None:
            end = turn.begin
        start = self._speech_start(turn, end)
        # A turn is reported with 1 ms at least.
        stop = max(self._speech_end(turn, end), start + self.samples(1))
        start_ms = self.ms(start)
        stop_ms = max(self.ms(stop), start_ms + 1)
        settings = turn.settings
        result = TurnResult(
            turn.item_id,
            text,
            start_ms,
            stop_ms - start_ms,
            settings.model,
            turn.languages,
            settings.hints,
            turn.usage,
            turn.logprobs,
            turn.said is not None,
            within(turn.words, start_ms, stop_ms, self._rate),
            within(turn.speakers, start_ms, stop_ms, self._rate),
            settings.endpoint,
        )
        # Where there is no memory for any of this, nothing has changed.
        if turn.decided and turn.from_server and text:
            sample = self.samples(_VOICE_SAMPLE_MS)
            self._voice = self._buffer.read(stop - sample, stop)
        if turn.decided:
            self._spoken_to = stop
        return result

    def _speech_start(self, turn: Turn, end: int) -> int:
        """Where the speech of a turn begins; fixed by its first result."""
        if turn.start is not None:
            return turn.start
        shown = self._shown_span
        if (
            shown is not None
            and turn.begin < shown[1]
            and self._buffer.watermark <= shown[0] <= end
        ):
            # A replayed turn keeps the start that was already reported, also
            # where the server now hears it begin later.
            turn.start = shown[0]
            return turn.start
        # The server's times are whole ms.
        edge = max(self._spoken_to, self._buffer.watermark) + self.samples(1)
        cut_short = turn.begin <= edge or turn.clipped
        padding = self._padding(turn) if turn.from_server else 0
        if padding and not cut_short:
            start = turn.begin + padding
        else:
            span = self._buffer.span(turn.begin, end)
            start = turn.begin if span is None else span[0]
            if padding:
                start = min(start, turn.begin + padding)
        turn.start = max(min(start, end - 1), self._spoken_to, 0)
        return turn.start

    def _speech_end(self, turn: Turn, end: int) -> int:
        if not turn.closed:
            return end
        silence = self._silence(turn) if turn.has_silence else 0
        if silence:
            spoken = end - silence
            if turn.failure is None:
                return spoken
            # A server may cut a turn; no part of it may be in no report.
            sound = self._buffer.sound(turn.begin, end)
            return end if sound is not None and sound.last > spoken else spoken
        span = self._buffer.span(turn.begin, end)
        return end if span is None else span[1]


def _end_so_far(turn: Turn, session: Session) -> int | None:
    """Up to where its text may be, where no notice told its end: what was sent
    behind a commit of ours is of a later turn.  None: so may be all its text,
    of a live model."""
    if turn.end is not None:
        return turn.end
    ends = (c for c in session.turns.commits if c.end > turn.begin)
    if (commit := next(ends, None)) is None:
        return session.sent
    guess = turn.settings.live and not turn.from_server
    late = turn.text_since > commit.sent_at
    return None if guess and late else commit.end


def _changed_words(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words of one the other does not have, whatever their order; of
    the two numbers the larger one."""
    one, other = Counter(first), Counter(second)
    return max((one - other).total(), (other - one).total())
