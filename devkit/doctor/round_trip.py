"""A round trip without a microphone: a few seconds of a file, as a call has
them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ten_packages.extension.openai_asr_python.call.call import Call
from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig

from devkit.usage import UsageError

from .checks import Check
from .machine import ROOT
from .service import Listener, failed

SAMPLE = ROOT / "samples" / "call.wav"
#: So much of a file is sent, in seconds: it is billed.
LONGEST_S = 8.0
_FRAME_MS = 20
_NAME = "audio"
_READERS = "python -m pip install -r requirements-demo.txt"


@dataclass(frozen=True)
class Speech:
    """The beginning of a file: 16-bit samples, one row for each moment."""

    name: str
    samples: npt.NDArray[np.int16]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


def read_speech(path: Path) -> Speech:
    """The first seconds of a file; raises `UsageError`."""
    try:
        import soundfile  # type: ignore[import-untyped]
    except (ImportError, OSError):
        raise UsageError(
            f"--audio: needs the package soundfile: {_READERS}"
        ) from None
    try:
        path = path.expanduser()
        kind = "is no file" if path.exists() else "there is no such file"
        is_file = path.is_file()
    except (OSError, RuntimeError) as error:
        raise UsageError(f"--audio: {path}: {error}") from None
    if not is_file:
        raise UsageError(f"--audio: {path}: {kind}")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            samples = file.read(
                int(LONGEST_S * rate), dtype="int16", always_2d=True
            )
    except Exception as error:
        reason = getattr(error, "error_string", "") or str(error)
        raise UsageError(f"--audio: {path}: cannot be read: {reason}") from None
    if not len(samples):
        raise UsageError(f"--audio: {path}: contains no audio")
    if channels > 8 or not 8000 <= rate <= 192_000:
        raise UsageError(
            f"--audio: {path}: has {channels} channels of {rate} Hz; allowed:"
            " up to 8 of 8000 to 192000 Hz"
        )
    return Speech(path.name, samples, rate)


@dataclass
class _Hearing(Listener):
    """What came of it, and when; seconds since the first frame."""

    began: float = 0.0
    first_interim: tuple[float, Any] | None = None
    interims: int = 0
    finals: list[tuple[float, Any]] = field(default_factory=list)
    finalized: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_asr_delta(self, turn: Any) -> None:
        self.interims += 1
        self.first_interim = self.first_interim or (self._now, turn)

    async def on_asr_completed(self, turn: Any) -> None:
        if turn.text.strip():
            self.finals.append((self._now, turn))

    async def on_asr_finalized(self, end: Any) -> None:
        self.finalized.set()

    async def on_asr_client_error(self, problem: Any) -> None:
        await super().on_asr_client_error(problem)
        if self.fault is not None and self.fault.fatal:
            self.finalized.set()

    @property
    def _now(self) -> float:
        return time.monotonic() - self.began


async def check_round_trip(
    config: OpenAIASRConfig, key_from: str, limit_s: float, speech: Speech
) -> Check:
    """Send it in real time, as a call does, and wait for its text."""
    hearing = _Hearing()
    problems: list[str] = []
    alone = config.model_copy(update={"fallbacks": []})
    call = await Call.create(alone, hearing, problems.append, None)
    try:
        await call.start()
        hearing.began = time.monotonic()
        await _speak(call, speech, hearing)
        call.finalize("doctor")
        patience = limit_s + config.finalize_timeout_ms / 1000
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(hearing.finalized.wait(), patience)
    finally:
        await call.stop()
    if hearing.fault is not None and not hearing.finals:
        return failed(_NAME, hearing.fault, config, key_from)
    return _told(call, hearing, speech)


async def _speak(call: Call, speech: Speech, hearing: _Hearing) -> None:
    step = speech.rate * _FRAME_MS // 1000
    channels = speech.samples.shape[1]
    for at in range(0, len(speech.samples), step):
        due = hearing.began + at / speech.rate
        await asyncio.sleep(max(due - time.monotonic(), 0))
        if hearing.fault is not None and hearing.fault.fatal:
            return
        frame = speech.samples[at : at + step].tobytes()
        call.push(frame, speech.rate, channels, 2)


def _told(call: Call, hearing: _Hearing, speech: Speech) -> Check:
    billed = call.counters["billed_ms"] / 1000
    cost = f"{billed:.1f} s of {speech.seconds:.1f} s are billed"
    text = " ".join(turn.text.strip() for _, turn in hearing.finals)
    data: dict[str, Any] = {
        "file": speech.name,
        "seconds": round(speech.seconds, 3),
        "billed_s": billed,
        "text": text,
        "interims": hearing.interims,
    }
    if not text:
        told = "; ".join(notice.message for notice in hearing.notices)
        return Check(
            _NAME,
            "failed",
            f"no text came of {speech.name}; {cost}",
            "is there speech in it, in the configured language? With --audio"
            " alone it is samples/call.wav",
            [told] if told else [],
            data=data,
        )
    lines = [f"text: {text}"]
    if hearing.first_interim is not None:
        came, turn = hearing.first_interim
        late = round(came * 1000) - turn.start_ms
        data["interim_ms"] = late
        lines.append(
            f"interims: {hearing.interims}, the first one {late} ms after its"
            " turn began"
        )
    else:
        lines.append("interims: none")
    late_finals = [
        round(came * 1000) - turn.start_ms - turn.duration_ms
        for came, turn in hearing.finals
    ]
    data["final_ms"] = late_finals
    shown = ", ".join(map(str, late_finals))
    lines.append(f"finals: {shown} ms after the speech of their turn")
    summary = f"{speech.name} was heard; {cost}"
    return Check(_NAME, "ok", summary, detail=lines, data=data)
