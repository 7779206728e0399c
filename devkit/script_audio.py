"""Words that tests can recognise exactly: ids coded as tones in the samples.

A word is a burst of ten consecutive 20 ms tones (200 ms)::

    start marker | 5 symbols: id, 20 bits | 3 symbols: CRC-12 | end marker

All tones are multiples of 50 Hz (orthogonal over a 20 ms window) and lie
between 500 and 3050 Hz, so that a telephone line (8 kHz, G.711) carries them.
Whatever sounds but does not decode to a word with a right checksum comes out
as ``BROKEN``, never as another word: a test can tell a lost word from a
damaged one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]
_Float32Array = npt.NDArray[np.float32]

BROKEN = "<broken>"
MAX_WORD_ID = 999_999
SYMBOL_MS = 20
SYMBOLS_PER_WORD = 10
WORD_MS = SYMBOL_MS * SYMBOLS_PER_WORD
MIN_GAP_MS = 60
MIN_RATE_HZ = 8000

_START_HZ = 500
_END_HZ = 650
_DATA_HZ = [800 + 150 * value for value in range(16)]
# Tone index 0..15 is the symbol's value; the markers come after.
_TONES_HZ = [*_DATA_HZ, _START_HZ, _END_HZ]
_START_TONE = 16
_END_TONE = 17
_ID_SYMBOLS = 5
_CRC_SYMBOLS = 3
_CRC12_POLYNOMIAL = 0x80F
_FADE_MS = 4

# Sound is what exceeds this peak: 55 dB below full scale, well above the
# +-8 that A-law makes of digital silence and below a word at -36 dBFS (a word
# at -30 dBFS in one of two channels).
_SOUND_PEAK = 60
_HOPS_PER_SECOND = 400
# Quiet that ends a run: shorter than the smallest gap, longer than any dip.
_QUIET_HOPS = 10
# A run this long holds no single word; decode it so that memory stays bounded.
_MAX_RUN_S = 3
# Smaller leftovers beside a word are a resampler's ringing, not a lost word.
_MIN_BROKEN_HOPS = 4
_MIN_PURITY = 0.6


@dataclass(frozen=True, slots=True)
class DecodedWord:
    """One word or damaged piece of sound.

    ``word_id`` is None for a piece that is not a valid word. Positions are
    samples counted from the first sample fed; a word's are true to 2.5 ms.
    """

    word_id: int | None
    start_sample: int
    end_sample: int

    @property
    def text(self) -> str:
        """``w000123`` or ``<broken>``."""
        return BROKEN if self.word_id is None else word_text(self.word_id)


def word_text(word_id: int) -> str:
    """The text form of a word id: ``w`` and six digits."""
    if not 0 <= word_id <= MAX_WORD_ID:
        raise ValueError(f"word id {word_id} is not in 0..{MAX_WORD_ID}")
    return f"w{word_id:06d}"


def word_ids(text: str) -> list[int | None]:
    """Word ids in a transcript, in order; None for each ``<broken>``.

    Other text is ignored.
    """
    found = re.findall(r"w(\d{6})\b|(<broken>)", text)
    return [int(digits) if digits else None for digits, _ in found]


def encode_words(
    ids: Iterable[int],
    rate: int,
    *,
    gap_ms: float = 80,
    level_dbfs: float = -12.0,
) -> Int16Array:
    """Words one after the other, ``gap_ms`` of digital silence between.

    Returns int16 mono samples at ``rate`` Hz. ``level_dbfs`` is the peak
    level, -30 to 0. Raises ValueError for ids, rates, levels or gaps outside
    of what the decoder promises to read.
    """
    samples, _ = speak(
        [list(ids)],
        rate,
        pause_ms=0,
        gap_ms=gap_ms,
        level_dbfs=level_dbfs,
        lead_ms=0,
    )
    return samples


def speak(
    turns: Sequence[Sequence[int]],
    rate: int,
    pause_ms: float,
    *,
    gap_ms: float = 80,
    level_dbfs: float = -12.0,
    lead_ms: float = 200,
    tail_ms: float | None = None,
) -> tuple[Int16Array, list[tuple[int, int, int]]]:
    """A call: turns of words with digital silence between the turns.

    ``lead_ms`` of silence come first, ``pause_ms`` between turns, and
    ``tail_ms`` (default: ``pause_ms``) at the end. Returns the int16 mono
    samples and ``(word_id, start_sample, end_sample)`` of every word, so that
    a test knows the true times.
    """
    _check_sound(rate, gap_ms, level_dbfs)
    tail_ms = pause_ms if tail_ms is None else tail_ms
    pieces: list[Int16Array] = []
    times: list[tuple[int, int, int]] = []
    position = 0

    def silence(ms: float) -> None:
        nonlocal position
        pieces.append(np.zeros(round(rate * ms / 1000), np.int16))
        position += len(pieces[-1])

    silence(lead_ms)
    for number, turn in enumerate(turns):
        if number:
            silence(pause_ms)
        for place, word_id in enumerate(turn):
            if place:
                silence(gap_ms)
            burst = _burst(word_id, rate, level_dbfs)
            pieces.append(burst)
            times.append((word_id, position, position + len(burst)))
            position += len(burst)
    silence(tail_ms)
    return np.concatenate(pieces), times


def decode_words(samples: Int16Array, rate: int) -> list[DecodedWord]:
    """All words of a complete piece of int16 mono audio at ``rate`` Hz."""
    decoder = WordDecoder(rate)
    return decoder.feed(samples) + decoder.flush()


class WordDecoder:
    """Incremental decoder; the result does not depend on the chunking."""

    def __init__(self, rate: int) -> None:
        """``rate``: Hz of the int16 mono samples that will be fed."""
        if rate < MIN_RATE_HZ:
            raise ValueError(f"rate {rate} Hz is below {MIN_RATE_HZ} Hz")
        self._rate = rate
        self._window = round(rate * SYMBOL_MS / 1000)
        self._hop = rate // _HOPS_PER_SECOND
        # All tones are multiples of the window's 50 Hz: each is one FFT bin.
        self._bins = np.array(_TONES_HZ) * SYMBOL_MS // 1000
        self._samples = np.zeros(0, np.int16)
        self._base = 0  # absolute position of _samples[0], a multiple of hop
        self._scanned = 0  # hops already looked at, counted from position 0
        self._run_start: int | None = None  # hop
        self._run_end = 0  # hop after the last one with sound

    def feed(self, samples: Int16Array) -> list[DecodedWord]:
        """Take more audio, return the words that are now complete.

        A word is complete 25 ms after its end.
        """
        self._samples = np.concatenate([self._samples, samples])
        words: list[DecodedWord] = []
        end_hop = self._base // self._hop + len(self._samples) // self._hop
        first, self._scanned = self._scanned, end_hop
        begin, end = (h * self._hop - self._base for h in (first, end_hop))
        # int32: the magnitude of -32768 does not fit into int16.
        hops = self._samples[begin:end].reshape(-1, self._hop).astype(np.int32)
        loud = np.abs(hops).max(1) > _SOUND_PEAK
        for hop in (np.flatnonzero(loud) + first).tolist():
            words += self._sound_at(hop)
        if (
            self._run_start is not None
            and self._scanned - self._run_end >= _QUIET_HOPS
        ):
            words += self._close_run()
        self._forget()
        return words

    def flush(self) -> list[DecodedWord]:
        """End of the audio: whatever sounded last counts as ended."""
        padding = (-len(self._samples)) % self._hop
        words = self.feed(np.zeros(padding, np.int16))
        return words + self._close_run()

    def _sound_at(self, hop: int) -> list[DecodedWord]:
        words: list[DecodedWord] = []
        if self._run_start is not None and (
            hop - self._run_end >= _QUIET_HOPS
            or hop - self._run_start >= _MAX_RUN_S * _HOPS_PER_SECOND
        ):
            words = self._close_run()
        if self._run_start is None:
            self._run_start = hop
        self._run_end = hop + 1
        return words

    def _forget(self) -> None:
        # The run's margin of one window must stay available.
        keep = self._scanned if self._run_start is None else self._run_start
        keep_from = max(self._base, keep * self._hop - 2 * self._window)
        keep_from -= keep_from % self._hop
        self._samples = self._samples[keep_from - self._base :]
        self._base = keep_from

    def _close_run(self) -> list[DecodedWord]:
        if self._run_start is None:
            return []
        start, end = self._run_start * self._hop, self._run_end * self._hop
        self._run_start = None
        words = self._valid_words(start, end)
        broken: list[DecodedWord] = []
        position = start
        for edge in [*words, DecodedWord(None, end, end)]:
            hops = (edge.start_sample - position) / self._hop
            # A run without any word is broken however short it is.
            if hops >= _MIN_BROKEN_HOPS or (not words and hops > 0):
                broken.append(DecodedWord(None, position, edge.start_sample))
            position = edge.end_sample
        return sorted([*words, *broken], key=lambda word: word.start_sample)

    def _valid_words(self, start: int, end: int) -> list[DecodedWord]:
        if end - start < self._window * (SYMBOLS_PER_WORD - 1):
            return []
        margin = self._window
        audio = self._padded(start - margin, end + 2 * margin)
        views = np.lib.stride_tricks.sliding_window_view(audio, self._window)
        power, purity = self._tones(views[:: self._hop])
        is_start = (purity.argmax(1) == _START_TONE) & (
            purity[:, _START_TONE] > _MIN_PURITY
        )
        words: list[DecodedWord] = []
        free_from = 0
        for group in _groups(is_start):
            best = group.start + int(
                power[group.start : group.stop, _START_TONE].argmax()
            )
            coarse = best * self._hop
            if coarse < free_from:
                continue
            found = self._word_near(views, coarse)
            if found is None:
                continue
            word_id, offset = found
            length = round(self._rate * WORD_MS / 1000)
            free_from = offset + length - self._window // 2
            begin = start - margin + offset
            words.append(DecodedWord(word_id, begin, begin + length))
        return words

    def _word_near(
        self, views: _Float32Array, coarse: int
    ) -> tuple[int, int] | None:
        """The word whose start marker lies at about sample ``coarse``."""
        steps = np.arange(-4, 5) * max(1, self._hop // 3)
        symbols = np.round(
            np.arange(SYMBOLS_PER_WORD) * self._rate * SYMBOL_MS / 1000
        ).astype(int)
        places = coarse + steps[:, None] + symbols[None, :]
        inside = (places[:, 0] >= 0) & (places[:, -1] < len(views))
        if not inside.any():
            return None
        places = places[inside]
        power, purity = self._tones(views[places.ravel()])
        shape = (*places.shape, len(_TONES_HZ))
        power, purity = power.reshape(shape), purity.reshape(shape)
        row = int(power.max(2).sum(1).argmax())
        if purity[row].max(1).min() < _MIN_PURITY:
            return None
        word_id = _word_of(purity[row].argmax(1).tolist())
        return None if word_id is None else (word_id, int(places[row, 0]))

    def _tones(
        self, frames: _Float32Array
    ) -> tuple[_Float32Array, _Float32Array]:
        """Per frame and tone: power, and its share of the frame (0..1)."""
        # Not a product with a basis of tones: that wakes BLAS's threads, whose
        # waiting costs more than the whole decoder.
        spectrum = np.fft.rfft(frames, axis=1)[:, self._bins]
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        energy = np.einsum("ij,ij->i", frames, frames)
        purity = power * 2 / (self._window * (energy[:, None] + 1.0))
        return power, purity

    def _padded(self, start: int, end: int) -> _Float32Array:
        """Samples [start, end) as float32, zeros where there are none."""
        audio = np.zeros(end - start, np.float32)
        first = max(start, self._base)
        last = min(end, self._base + len(self._samples))
        audio[first - start : last - start] = self._samples[
            first - self._base : last - self._base
        ]
        return audio


def _check_sound(rate: int, gap_ms: float, level_dbfs: float) -> None:
    if rate < MIN_RATE_HZ:
        raise ValueError(f"rate {rate} Hz is below {MIN_RATE_HZ} Hz")
    if gap_ms < MIN_GAP_MS:
        raise ValueError(f"gap {gap_ms} ms is below {MIN_GAP_MS} ms")
    if not -30 <= level_dbfs <= 0:
        raise ValueError(f"level {level_dbfs} dBFS is not in -30..0")


def _burst(word_id: int, rate: int, level_dbfs: float) -> Int16Array:
    tones = _tones_of(word_id)
    edges = np.round(
        np.arange(SYMBOLS_PER_WORD + 1) * rate * SYMBOL_MS / 1000
    ).astype(int)
    frequency = np.repeat(
        np.array([_TONES_HZ[tone] for tone in tones], np.float64),
        np.diff(edges),
    )
    # Continuous phase: a jump would be a click outside of the band.
    wave = np.sin(2 * np.pi * np.cumsum(frequency) / rate)
    fade = round(rate * _FADE_MS / 1000)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    wave[:fade] *= ramp
    wave[-fade:] *= ramp[::-1]
    peak = 32767 * 10 ** (level_dbfs / 20)
    return np.round(wave * peak).astype(np.int16)


def _tones_of(word_id: int) -> list[int]:
    word_text(word_id)  # raises for an id out of range
    bits = word_id << (4 * _CRC_SYMBOLS) | _crc12(word_id)
    count = _ID_SYMBOLS + _CRC_SYMBOLS
    values = [bits >> (4 * place) & 0xF for place in reversed(range(count))]
    return [_START_TONE, *values, _END_TONE]


def _word_of(tones: list[int]) -> int | None:
    if tones[0] != _START_TONE or tones[-1] != _END_TONE:
        return None
    bits = 0
    for tone in tones[1:-1]:
        if tone > 0xF:
            return None
        bits = bits << 4 | tone
    word_id, crc = bits >> (4 * _CRC_SYMBOLS), bits & 0xFFF
    if word_id > MAX_WORD_ID or crc != _crc12(word_id):
        return None
    return word_id


def _crc12(word_id: int) -> int:
    # A start value other than zero: word 0 shall not have checksum 0.
    register = 0xA5A
    for place in reversed(range(4 * _ID_SYMBOLS)):
        top = register >> 11 & 1
        register = register << 1 & 0xFFF
        if top ^ (word_id >> place & 1):
            register ^= _CRC12_POLYNOMIAL
    return register


def _groups(flags: npt.NDArray[np.bool_]) -> list[range]:
    """Ranges of consecutive true flags."""
    padded = np.concatenate([[False], flags, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return [
        range(begin, end)
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]
