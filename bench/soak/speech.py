"""python -m bench.soak.speech: real speech, with the server killed.

Sends samples/call.wav through the real client to a local server process with
the `speech` engine: once in peace, then with the server killed (SIGKILL) and
started again --kills times at random places.  Both transcripts must be the
same, word for word.  Exit status: 0 they are, 1 they are not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.resample import Resampler
from ten_packages.extension.openai_asr_python.realtime.limits import Limits

from .stream import RATE, Listener, client_for

ROOT = Path(__file__).resolve().parents[2]
_HANG_S = 300
_LIMITS = Limits(finalize_timeout_ms=_HANG_S * 1000, turn_timeout_ms=60_000)


def g711_of(path: Path) -> bytes:
    """A WAV file (int16) as 8 kHz mono µ-law."""
    with wave.open(str(path)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        data = file.readframes(file.getnframes())
    samples = np.frombuffer(data, "<i2").reshape(-1, channels)[:, 0].copy()
    if rate != RATE:
        resampler = Resampler(rate, RATE, "HQ")
        parts = (resampler.push(samples), resampler.flush())
        samples = np.concatenate(parts)
    return encode(samples, "ulaw").tobytes()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """The local server as a process that can be killed."""

    def __init__(self, port: int, engine: str = "speech") -> None:
        self._port = port
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "devkit.server"]
        command += ["--port", str(self._port), "--engine", self._engine]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """SIGKILL: no CLOSE, no goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


async def transcribe(
    audio: bytes, kills: int, seed: int, speed: float
) -> tuple[list[str], Listener]:
    """The texts of the turns; ``speed`` times as fast as speech."""
    rng = random.Random(seed)
    port = free_port()
    server = ServerProcess(port)
    server.start()
    listener = Listener()
    client = client_for(
        f"ws://127.0.0.1:{port}/v1",
        listener,
        seed,
        server_turns=True,
        limits=_LIMITS,
        log_error=listener.count.errors.append,
    )
    await client.start()
    frame = RATE // 10
    frames = range(0, len(audio), frame)
    places = set(rng.sample(range(len(frames)), kills))
    try:
        for index, at in enumerate(frames):
            client.send_audio(audio[at : at + frame])
            await asyncio.sleep(0.1 / speed)
            if index in places:
                await asyncio.to_thread(server.kill)
                listener.count.faults += 1
                server.start()
        listener.asked.append("end")
        client.finalize("end")
        with contextlib.suppress(asyncio.TimeoutError):
            await listener.until(lambda: "end" in listener.ends, _HANG_S)
    finally:
        await client.stop()
        await asyncio.to_thread(server.kill)
    return [text for text in listener.texts if text], listener


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak.speech",
        description="Real speech, with the server killed.",
    )
    parser.add_argument("--audio", default=str(ROOT / "samples/call.wav"))
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0)
    options = parser.parse_args(arguments)
    if options.kills < 0 or options.speed <= 0:
        parser.error("--kills: at least 0; --speed: above 0")
    try:
        audio = g711_of(Path(options.audio))
    except (OSError, EOFError, wave.Error) as error:
        parser.error(f"--audio {options.audio}: {error}")
    results = []
    for kills in (0, options.kills):
        start = time.monotonic()
        texts, listener = asyncio.run(
            transcribe(audio, kills, options.seed, options.speed)
        )
        words = " ".join(texts).split()
        print(
            f"kills {listener.count.faults}  turns {len(texts)}"
            f"  words {len(words)}  sessions {listener.count.sessions}"
            f"  longest recovery {listener.count.longest_recovery_s:.1f} s"
            f"  seconds {time.monotonic() - start:.0f}"
        )
        results.append(words)
    calm, shaken = results
    same = calm == shaken and bool(calm)
    print("the transcripts are the same" if same else "they DIFFER")
    if not same:
        print(f"calm:   {' '.join(calm)}\nshaken: {' '.join(shaken)}")
    return 0 if same else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
