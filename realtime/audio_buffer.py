"""The audio that is not delivered yet.

Positions are counted in samples of the wire format from the first sample of
the call.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable
from typing import NamedTuple

from .local_speech import LocalSpeech
from .spans import Span, joined, overlap

#: So much audio has a background to judge a voice by, in seconds: there are
#: gaps in speech, to 6 dB above noise.  Of half a second nothing stands out.
_BACKGROUND_S = 4


class Sound(NamedTuple):
    """Sound that stands out from what is around it: its first sample, the one
    after its last, and how many in between belong to it."""

    first: int
    last: int
    length: int


#: Finds the loud part of a stretch of wire audio: (first, last) sample,
#: relative to its start, or None where it is silent.
FindSpeech = Callable[[bytes], "Span | None"]
#: Finds what stands out from the background of a stretch of wire audio.
#: (first, after the last, how many in between) samples, relative to its start.
FindSound = Callable[[bytes], "tuple[int, int, int] | None"]

#: Finds the first pause of a voice in wire audio that begins with it, which is
#: at least so many samples long: (first, after the last) sample.  With True,
#: noise from which the voice stands out is one as well.
FindPause = Callable[[bytes, int, bool], "Span | None"]


class AudioBuffer:
    """A bounded, contiguous stretch of audio from the watermark on.

    ``start`` is the position of the oldest sample kept, ``end`` the position
    after the newest, ``watermark`` the position up to which everything is
    delivered.  ``start`` is beyond the watermark only where the bound made
    old audio give way.  ``marks`` are the positions at which a commit of ours
    belongs, in order, also in a replay; at ``cuts`` only where a turn is too
    long.  ``local`` is what a local detector heard; where none listened, or
    its word does not count, the level of the audio must do.
    """

    def __init__(
        self,
        sample_bytes: int,
        limit_samples: int,
        find_speech: FindSpeech,
        find_sound: FindSound | None = None,
        find_pause: FindPause | None = None,
        rate: int = 8000,
    ) -> None:
        self._background = _BACKGROUND_S * rate
        self._sample_bytes = sample_bytes
        self._limit = limit_samples
        self._find_speech = find_speech
        self._find_sound = find_sound or _any_sound(find_speech)
        self._find_pause = find_pause or _any_pause(find_speech, sample_bytes)
        self._data = bytearray()
        self.start = 0
        self.end = 0
        self.watermark = 0
        self.marks: list[int] = []
        self.cuts: set[int] = set()
        self.local = LocalSpeech()
        #: The loud part of what gave way although a session has it.
        self._loud_gone: Span | None = None

    def trust_detector(self, on: bool) -> None:
        """Is it the local detector, if there is one, that ends the turns?"""
        local = self.local
        if on == local.counts:
            return
        local.counts = on
        ends, marks = set(local.ends), set(self.marks)
        self.marks = sorted(marks | ends if on else marks - ends)

    def turn_ended(self, position: int) -> None:
        """The local detector ends a turn there."""
        if position in self.marks:
            self.cuts.discard(position)
            return
        self.local.turn_ended(position)
        if self.local.counts:
            insort(self.marks, position)

    @property
    def complete(self) -> bool:
        """All undelivered audio is still here, so a replay loses nothing."""
        return self.start <= self.watermark

    @property
    def nearly_full(self) -> bool:
        """Will the oldest give way soon?"""
        return self.end - self.watermark > self._limit * 4 // 5

    def append(self, data: bytes, sent: int) -> bool:
        """Add whole samples; True if the oldest had to give way.

        An open session has everything before ``sent`` and may still deliver
        it: where that was loud is remembered.
        """
        self._data += data
        self.end += len(data) // self._sample_bytes
        start = self.end - self._limit
        if start <= self.start:
            return False
        self._loud_gone = self._loud(self.watermark, min(start, sent))
        self._release(start)
        return True

    def read(self, start: int, stop: int) -> bytes:
        """The samples from ``start`` to ``stop`` that are still kept."""
        first = max(start - self.start, 0) * self._sample_bytes
        last = max(stop - self.start, 0) * self._sample_bytes
        with memoryview(self._data) as view:
            return bytes(view[first:last])

    def advance(self, position: int) -> None:
        """Everything before ``position`` is delivered."""
        if position <= self.watermark:
            return
        self.watermark = min(position, self.end)
        self._release(self.watermark)
        del self.marks[: bisect_right(self.marks, self.watermark)]
        self.cuts.intersection_update(self.marks)
        self.local.forget_before(self.watermark)

    def _release(self, position: int) -> None:
        count = min(position, self.end) - self.start
        if count > 0:
            # A bytearray drops its front without moving the rest.
            del self._data[: count * self._sample_bytes]
            self.start += count

    def mark(self, position: int, *, cut: bool = False) -> None:
        """A commit belongs at ``position``; a ``cut`` where it would not."""
        is_new = position not in self.marks
        if is_new:
            insort(self.marks, position)
        if not cut:
            self.cuts.discard(position)
            # Whoever asks for it wants it from everybody.
            self.local.asked(position)
        elif is_new:
            self.cuts.add(position)

    def uncut(self, position: int) -> None:
        """If there is a cut, a commit belongs there in any case."""
        self.cuts.discard(position)

    def unmark(self, position: int) -> None:
        """No commit belongs at the mark ``position`` after all."""
        self.marks.remove(position)
        self.local.asked(position)

    def next_mark(self, after: int) -> int | None:
        """The first mark beyond the position ``after``."""
        index = bisect_right(self.marks, after)
        return self.marks[index] if index < len(self.marks) else None

    def span(self, start: int, stop: int) -> Span | None:
        """The part of a stretch with sound, as positions, or None."""
        found = self._speech(start, stop)
        if found is not None and self.local.spans is None:
            known = stop - start >= self._background
            sound = self.sound(start, stop) if known else None
            # On a line with noise all is loud, and some stands out.
            return found if sound is None else overlap(found, *sound[:2])
        cut = [self.local.covers(position) for position in (start, stop)]
        if found is not None and not any(cut):
            return found
        # A turn of which no detector told has sound somewhere; and where one
        # was ended by somebody else, that may be in a pause that is none for
        # the detector.
        loud = self._loud(start, stop)
        if found is None or loud is None:
            return loud or found
        return loud[0] if cut[0] else found[0], loud[1] if cut[1] else found[1]

    def _speech(self, start: int, stop: int) -> Span | None:
        """The part of a stretch with speech, by whoever listened."""
        if self.local.spans is None:
            return self._loud(start, stop)
        loud = self._loud(start, min(stop, self.local.heard_from))
        return joined(loud, self.local.span(start, stop))

    def _loud(self, start: int, stop: int) -> Span | None:
        gone = overlap(self._loud_gone, start, stop)
        kept = None
        start = max(start, self.start)
        if stop > start:
            kept = self._find_speech(self.read(start, stop))
        if kept is not None:
            kept = start + kept[0], start + kept[1]
        return joined(gone, kept)

    def sound(self, start: int, stop: int) -> Sound | None:
        """What stands out from the background of a stretch; of what gave way,
        what was loud."""
        gone = overlap(self._loud_gone, start, stop)
        start = max(start, self.start)
        found = self._find_sound(self.read(start, stop))
        # What is gone cannot be looked at, and counts as much as can be.
        if found is None:
            return gone and Sound(*gone, self._limit)
        first, last, length = found
        if gone is not None:
            return Sound(gone[0], start + last, self._limit)
        return Sound(start + first, start + last, length)

    def stands_out(self, voice: bytes, start: int, stop: int) -> bool:
        """Is a stretch loud when heard right after ``voice``?"""
        found = self._find_speech(voice + self.read(start, stop))
        return found is not None and found[1] * self._sample_bytes > len(voice)

    def first_sound(self, position: int) -> int | None:
        """Where the first sound begins, or what the local detector takes for
        speech."""
        if self.local.spans is not None:
            return self.next_speech(position)
        stop = position + self._background
        if self.end < stop:
            found = self._speech(position, self.end)
            return found and found[0]
        # Mostly it is near, and there may be an hour.
        sound = self.sound(position, stop)
        while sound is None and stop < self.end:
            stop += 3 * (stop - position)
            sound = self.sound(position, stop)
        return None if sound is None else sound.first

    def may_be_speech(self, stop: int) -> bool:
        """Is any undelivered before ``stop``?  Noise that lasts is none."""
        short = stop - self.watermark < self._background
        if short and self.local.spans is None:
            return self.has_speech(self.watermark, stop)
        first = self.first_sound(self.watermark)
        return first is not None and first < stop

    def first_pause(
        self, start: int, stop: int, least: int, in_noise: bool = True
    ) -> Span | None:
        """The first pause of ``least`` samples or more in a stretch that
        begins with a voice; ``in_noise``: it need not be silence."""
        start = max(start, self.start)
        found = self._find_pause(self.read(start, stop), least, in_noise)
        return found and (start + found[0], start + found[1])

    def has_speech(self, start: int, stop: int) -> bool:
        """Does a stretch hold anything that is worth a turn?

        A local detector's word counts; without one any sound does.
        """
        return self._speech(start, stop) is not None

    def has_unmarked_speech(self, least: int) -> bool:
        """Is there speech for which no commit is asked yet?  A mark that comes
        less than ``least`` samples after the one before is none."""
        begin = self.watermark
        for mark in self.marks:
            if mark - begin >= least:
                begin = mark
        return self.has_speech(begin, self.end)

    def next_speech(self, position: int) -> int | None:
        """The onset of the first speech that a local detector heard and that
        does not end before ``position``."""
        loud = self._loud(position, self.local.heard_from)
        if loud is not None and self.local.spans is not None:
            return loud[0]
        return self.local.next_after(position)


def _any_sound(find_speech: FindSpeech) -> FindSound:
    def sound(data: bytes) -> tuple[int, int, int] | None:
        span = find_speech(data)
        return None if span is None else (*span, span[1] - span[0])

    return sound


def _any_pause(find_speech: FindSpeech, size: int) -> FindPause:
    def pause(data: bytes, least: int, in_noise: bool) -> Span | None:
        first, stop = 0, len(data) // size
        while first + least <= stop:
            found = find_speech(data[first * size : (first + least) * size])
            if found is None:
                more = find_speech(data[first * size :])
                return first, stop if more is None else first + more[0]
            first += found[1]
        return None

    return pause
