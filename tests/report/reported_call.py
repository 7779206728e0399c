"""Logs to make reports of: of real calls, and written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from asr_call import Call, run_call, spoken
from dumped_call import dumping

from devkit.report.session import Session, Wishes, read_session
from devkit.server import Faults, ServerThread

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "call.wav"
TURNS = [[1, 2, 3], [4, 5], [6, 7, 8]]
RATE = 16000


def call_with_faults(path: Path) -> Path:
    """A call with a lost connection, a refused one, a turn that failed once
    and one that is given up, a change of the configuration, two finalizes;
    dumped to ``path``, its log is returned."""
    audio, _ = spoken(TURNS)
    faults = Faults(
        drop_after_audio_ms=3000,
        audio_faults_on=1,
        refused="2",
        failed_text="w000009",
        failed_code="invalid_request_error",
    )

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("one")
        await call.command("update_configs", '{"prompt": "ships"}')
        await call.send(spoken([[9, 10]])[0])
        await call.until_finalized("two")

    with ServerThread(engine="script", faults=faults) as server:
        run_call(dumping(server.url, path), script)
    return path.with_suffix(".jsonl")


def tone(seconds: float, size: int = 8000, rate: int = RATE) -> bytes:
    times = np.arange(int(seconds * rate)) / rate
    return (size * np.sin(2 * np.pi * 220 * times)).astype("<i2").tobytes()


def voice(seconds: float) -> bytes:
    """Speech of a person, mono at 16 kHz."""
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    assert rate == RATE
    return samples[: int(seconds * RATE)].tobytes()


def frames(
    t: float, audio: bytes, until: float | None = None, **form: int
) -> dict[str, Any]:
    """A line of frames of 10 ms that come until ``until`` (in real time)."""
    form = {"rate": RATE, "channels": 1, "width": 2, **form}
    size = form["rate"] // 100 * form["channels"] * form["width"]
    count = len(audio) // size
    last = t + (count - 1) * 10 if until is None else until
    line: dict[str, Any] = {"t": t, "kind": "frames", "bytes": size, **form}
    return line | {"count": count, "until": last}


def result(
    t: float,
    text: str,
    start: int,
    length: int,
    final: bool = True,
    **more: Any,
) -> dict[str, Any]:
    said = {
        "id": f"turn at {start}",
        "text": text,
        "final": final,
        "start_ms": start,
        "duration_ms": length,
        "language": "en-US",
        "words": [],
        "metadata": {"asr_info": {"model": "gpt-live-transcribe"}},
    }
    return {"t": t, "kind": "result", "result": {**said, **more}}


def write_log(
    path: Path,
    lines: Iterable[Any],
    audio: bytes | None = b"",
    header: Any = None,
) -> Path:
    """``path`` without its suffix; a line that is a text stays as it is."""
    first = {
        "t": 0.0,
        "kind": "session",
        "format": 1,
        "package": "openai_asr_python",
        "version": "0.1.0",
        "started": "2026-11-27T12:00:00.000+00:00",
        "audio": f"{path.name}.pcm",
        "config": {
            "input_audio_transcription": {"model": "gpt-live-transcribe"},
            "sample_rate": RATE,
            "channels": 1,
        },
        **(header or {}),
    }
    texts = [
        line if isinstance(line, str) else json.dumps(line)
        for line in (first, *lines)
    ]
    log = path.with_suffix(".jsonl")
    log.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    if audio is not None:
        path.with_suffix(".pcm").write_bytes(audio)
    return log


def read(log: Path, **wishes: Any) -> Session:
    return read_session(log, Wishes(**wishes))


def titles(session: Session) -> dict[str, int]:
    """What happened, and how often."""
    return {each.advice.title: each.count for each in session.happenings}


Make = Callable[..., Session]
