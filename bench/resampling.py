"""python -m bench.resampling: compare soxr's quality settings.

Prints the Markdown tables of docs/resampling.md. Exit status 0.
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from ten_packages.extension.openai_asr_python.audio import resample
from ten_packages.extension.openai_asr_python.audio.converter import (
    FrameConverter,
)
from ten_packages.extension.openai_asr_python.audio.resample import (
    Quality,
    Resampler,
)

QUALITIES: tuple[Quality, ...] = ("QQ", "LQ", "MQ", "HQ", "VHQ")
Float = npt.NDArray[np.float64]
Int16Array = npt.NDArray[np.int16]


def through(resampler: Resampler, samples: Int16Array) -> Int16Array:
    """All of `samples` in frames of 10 ms, flushed."""
    frame = resampler.in_rate // 100
    parts = [
        resampler.push(samples[k : k + frame])
        for k in range(0, len(samples), frame)
    ]
    return np.concatenate((*parts, resampler.flush()))


def tone(rate: int, hz: float, seconds: float = 1.0) -> Int16Array:
    time_axis = np.arange(int(rate * seconds)) / rate
    wave = 16000 * np.sin(2 * np.pi * hz * time_axis)
    samples: Int16Array = np.rint(wave).astype(np.int16)
    return samples


def snr_db(in_rate: int, out_rate: int, hz: float, quality: Quality) -> float:
    """Power of the tone over all else, away from the ends, dB."""
    out = through(Resampler(in_rate, out_rate, quality), tone(in_rate, hz))
    middle = out[out_rate // 5 : -out_rate // 5].astype(np.float64)
    place = np.arange(len(middle)) / out_rate * 2 * np.pi * hz
    basis = np.stack((np.sin(place), np.cos(place)), axis=1)
    weights, *_ = np.linalg.lstsq(basis, middle, rcond=None)
    wanted = basis @ weights
    noise = np.mean((middle - wanted) ** 2)
    # What the setting makes quieter is an error of the band, not a gain.
    gain = min(float(np.hypot(*weights)) / 16000, 1.0)
    return float(10 * np.log10(gain**2 * 16000**2 / 2 / max(noise, 1e-9)))


def image_db(in_rate: int, out_rate: int, hz: float, quality: Quality) -> float:
    """Level of what a tone above the new band leaves behind, dB."""
    out = through(Resampler(in_rate, out_rate, quality), tone(in_rate, hz))
    middle = out[out_rate // 5 : -out_rate // 5].astype(np.float64)
    power = max(float(np.mean(middle**2)), 1e-2)
    return 10 * float(np.log10(power / (16000**2 / 2)))


def held_ms(in_rate: int, out_rate: int, quality: Quality) -> tuple[float, ...]:
    """Mean and worst of what is held back after a 10 ms frame."""
    resampler = Resampler(in_rate, out_rate, quality)
    held = []
    for _ in range(500):
        resampler.push(np.zeros(in_rate // 100, np.int16))
        held.append(resampler.held * 1000 / out_rate)
    return float(np.mean(held)), max(held)


def cpu_ms(in_rate: int, out_rate: int, quality: Quality) -> float:
    """CPU per second of audio in frames of 10 ms."""
    samples = tone(in_rate, 440, 20.0)
    resampler = Resampler(in_rate, out_rate, quality)
    begun = time.process_time()
    through(resampler, samples)
    return (time.process_time() - begun) / 20 * 1000


def flush_us(in_rate: int, out_rate: int, quality: Quality) -> float:
    """A flush and the push after it, µs of CPU."""
    frame = tone(in_rate, 440, 0.01)
    resampler = Resampler(in_rate, out_rate, quality)
    used = 0.0
    for _ in range(300):
        for _ in range(5):
            resampler.push(frame)
        begun = time.process_time()
        resampler.flush()
        resampler.push(frame)
        used += time.process_time() - begun
    return used / 300 * 1e6


def seam(in_rate: int, out_rate: int, quality: Quality) -> int:
    """Largest error that flushes at odd places make in a tone, LSB."""
    samples = tone(in_rate, 440)
    whole = through(Resampler(in_rate, out_rate, quality), samples)
    resampler = Resampler(in_rate, out_rate, quality)
    parts = []
    # Prediction needs some past: the first flush comes after 100 ms.
    places = [0, in_rate // 10]
    random = np.random.default_rng(1)
    while places[-1] < len(samples):
        places.append(places[-1] + int(random.integers(1, in_rate // 12)))
    for begin, end in pairwise(places):
        parts += [resampler.push(samples[begin:end]), resampler.flush()]
    error = np.concatenate(parts).astype(int) - whole
    return int(np.abs(error).max())


def quality_table() -> None:
    print(
        "| setting | SNR 100-6800 Hz worst dB | 7500 Hz dB | "
        "held ms mean | worst | CPU ms/s | flush µs | seam LSB | "
        "48→8 kHz: 5 kHz tone leaves dB |"
    )
    print("|" + "---|" * 9)
    sweep = np.geomspace(100, 6800, 25)
    for quality in QUALITIES:
        worst = min(snr_db(16000, 24000, float(hz), quality) for hz in sweep)
        mean, most = held_ms(16000, 24000, quality)
        print(
            f"| {quality} | {worst:.1f} "
            f"| {snr_db(16000, 24000, 7500, quality):.1f} "
            f"| {mean:.1f} | {most:.1f} "
            f"| {cpu_ms(16000, 24000, quality):.2f} "
            f"| {flush_us(16000, 24000, quality):.0f} "
            f"| {seam(16000, 24000, quality)} "
            f"| {image_db(48000, 8000, 5000, quality):.0f} |"
        )


def seam_table() -> None:
    print("| continuation past the flush | seam LSB |")
    print("|---|---|")
    predicted = resample._continued
    print(f"| linear prediction | {seam(16000, 24000, 'HQ')} |")
    try:
        resample._continued = lambda recent, count: np.zeros(count, np.float32)
        print(f"| silence | {seam(16000, 24000, 'HQ')} |")
    finally:
        resample._continued = predicted


def frame_table() -> None:
    print("| input | wire | µs per 10 ms frame |")
    print("|---|---|---|")
    for rate, channels, wire in (
        (16000, 1, "pcm16"),
        (24000, 1, "pcm16"),
        (48000, 1, "pcm16"),
        (48000, 2, "pcm16"),
        (8000, 1, "pcm16"),
        (16000, 1, "g711_ulaw"),
        (8000, 1, "g711_ulaw"),
    ):
        converter = FrameConverter(wire, rate, channels)  # type: ignore[arg-type]
        frame = np.repeat(tone(rate, 440, 0.01), channels).tobytes()
        begun = time.process_time()
        for _ in range(5000):
            converter.push(frame)
        used = (time.process_time() - begun) / 5000 * 1e6
        sound = "mono" if channels == 1 else "stereo"
        print(f"| {rate} Hz {sound} | {wire} | {used:.1f} |")


def main() -> int:
    if len(sys.argv) > 1:
        print("usage: python -m bench.resampling", file=sys.stderr)
        return 2
    quality_table()
    print()
    seam_table()
    print()
    frame_table()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
