"""python -m bench.skip_silence: what `silence: skip` saves and risks.

Speaks recordings through the local detector and the core to a simulated
service, once with ``send`` and once with ``skip``.  Prints the audio sent,
the audio in the turns (which is what is billed), and the speech that was
in no turn.  --print-table: Markdown, for the docs.  --speech DIR: instead
of the table, recordings in there (mono .wav, an utterance each) and what a turn
has more than its speech: --count of them, drawn by --seed.  Exit status: 0
done, 2 wrong usage or the recordings are missing.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]
from ten_packages.extension.openai_asr_python.audio.converter import (
    FrameConverter,
)
from ten_packages.extension.openai_asr_python.audio.speech import (
    loud_span_finder,
)
from ten_packages.extension.openai_asr_python.audio.turns import (
    TurnDetector,
)
from ten_packages.extension.openai_asr_python.call.intake import (
    Intake,
)
from ten_packages.extension.openai_asr_python.realtime.limits import Limits
from ten_packages.extension.openai_asr_python.realtime.link import Link
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.transcription import (
    Transcription,
)

from .turns.at_once import ScoringAtOnce
from .turns.scenes import VOICES, Scene, groups, spoken

#: A pause in a recording that may end a turn.
_PAUSE_MS = 480
_SAMPLE = Path(__file__).parents[1] / "samples" / "call.wav"
#: With `skip`, before the onset and behind the speech.
_BEFORE_MS, _TAIL_MS = 100, 100
_GROUPS = (
    "level -20 dBFS",
    "level -40 dBFS",
    "pauses 700 ms",
    "pauses 2000 ms",
    "white noise, SNR 10 dB",
    "babble noise, SNR 20 dB",
    "8 kHz",
    "only white",
    "only babble",
)
_COLUMNS = (
    "recordings",
    "audio s",
    "`send`: sent s",
    "in turns s",
    "speech missed ms",
    "`skip`: sent s",
    "in turns s",
    "speech missed ms",
)


@dataclass
class Heard:
    """What the service got, in samples of the wire."""

    sent: int = 0
    commits: int = 0
    committed: int = 0
    pending: list[tuple[int, int]] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)

    def commit(self) -> None:
        self.commits += 1
        self.committed += sum(stop - start for start, stop in self.pending)
        self.turns += self.pending
        self.pending = []


class Service:
    """Takes every commit and answers at once."""

    def __init__(self, core: Transcription, link: Link) -> None:
        self.heard = Heard()
        self._core, self._link = core, link
        self._items = 0

    def tell(self, kind: str, **fields: object) -> None:
        event = {"type": kind, **fields}
        self._core.exchange.receive(self._link, json.dumps(event), 0.0)

    def listen(self) -> None:
        """Take what the core wants to send now."""
        while True:
            if self._link.take_ping():
                # Without its PONG the core would soon wait.
                self._core.exchange.pong(self._link, 0.0)
            message = self._core.exchange.next_message(self._link, 0.0)
            if message is None:
                return
            event = json.loads(message)
            if event["type"] == "input_audio_buffer.append":
                count = len(base64.b64decode(event["audio"])) // 2
                end = self._link.session.sent
                self.heard.sent += count
                self.heard.pending.append((end - count, end))
            elif event["type"] == "input_audio_buffer.clear":
                self.heard.pending = []
            elif event["type"] == "input_audio_buffer.commit":
                self.heard.commit()
                self._answer()

    def _answer(self) -> None:
        previous = f"item_{self._items}" if self._items else None
        self._items += 1
        item = f"item_{self._items}"
        self.tell(
            "input_audio_buffer.committed",
            item_id=item,
            previous_item_id=previous,
        )
        self.tell(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            transcript="x",
        )


def speak(scene: Scene, *, skip: bool) -> Heard:
    """A call of this recording to its end."""
    return asyncio.run(_speak(scene, skip))


async def _speak(scene: Scene, skip: bool) -> Heard:
    settings = SessionSettings("gpt-live-transcribe")
    core = Transcription(
        settings,
        Limits(),
        protocol="ga",
        find_speech=loud_span_finder("pcm16", settings.rate),
        rng=random.Random(1),
    )
    core.detect_locally(True, _BEFORE_MS if skip else None)
    core.start(0.0)
    core.exchange.next_attempt(0.0)
    link = core.exchange.opened(0.0, 0.0)
    service = Service(core, link)
    service.listen()
    service.tell("session.created", session={})
    service.tell("session.updated", session={})

    client: Any = SimpleNamespace(
        core=core,
        send_audio=core.audio,
        listened=core.listened,
        speech_ended=core.speech_ended,
        tell=_raise,
    )
    converter = FrameConverter("pcm16", scene.rate)
    intake = Intake(converter, "pcm16", client, ScoringAtOnce())
    chosen = {"tail_ms": _TAIL_MS, "prefix_padding_ms": _BEFORE_MS}
    intake.listen(TurnDetector(settings.rate, **(chosen if skip else {})))
    size = scene.rate // 100
    for count, start in enumerate(range(0, len(scene.samples), size)):
        frame = scene.samples[start : start + size]
        intake.hear(converter.push(frame.tobytes(), scene.rate, 1, 2))
        await intake.settled()
        if count % 100 == 0 and intake.quiet_to is not None:
            core.quiet_to(intake.quiet_to)
        service.listen()
    intake.finalize()
    await intake.settled()
    core.finalize("end", 0.0)
    service.listen()
    return service.heard


def _raise(error: Exception) -> None:
    raise error


def missed_ms(scene: Scene, heard: Heard) -> float:
    """Speech that is in no turn, in ms."""
    spoken = np.zeros(len(scene.samples) * 1000 // scene.rate + 1, bool)
    for start, stop in scene.turns:
        spoken[int(start) : int(stop)] = True
    for first, last in heard.turns:
        spoken[first // 24 : last // 24 + 1] = False
    return float(spoken.sum())


def sample_scene() -> Scene:
    """samples/call.wav; where its turns are is not known."""
    samples, rate = soundfile.read(_SAMPLE, dtype="int16")
    return Scene("samples/call.wav", samples, rate, [])


def _long_pauses() -> list[Scene]:
    """One side of a conversation: it listens most of the time."""
    return [
        spoken(f"pauses 10 s {voice}", voice, pause_ms=10_000)
        for voice in VOICES
    ]


def recorded(folder: Path, count: int, seed: int) -> Scene:
    """Recordings with a second or two between them, over hiss 45 dB below.
    Speech is what is within 30 dB of the loudest 10 ms of its recording, and
    pauses in between that end no turn."""
    rng = np.random.default_rng(seed)
    paths = sorted(folder.rglob("*.wav"))
    pieces, turns, at, rate = [], [], 0.0, 0
    for index in rng.permutation(len(paths)):
        samples, its_rate = soundfile.read(paths[index])
        rate = rate or its_rate
        length_s = len(samples) / its_rate
        if samples.ndim > 1 or its_rate != rate or not 0.8 < length_s < 5:
            continue
        if not _has_pauses(samples, rate):
            continue
        samples *= 0.07 / np.sqrt(np.mean(samples**2))
        pause = np.zeros(int(rng.uniform(1.0, 2.0) * rate))
        at += len(pause) * 1000 / rate
        turns += [(at + a, at + b) for a, b in _spoken_in(samples, rate)]
        pieces += [pause, samples]
        at += length_s * 1000
        if len(pieces) == 2 * count:
            break
    if len(pieces) < 2 * count:
        raise ValueError(f"{folder}: less than {count} recordings")
    signal = np.concatenate([*pieces, np.zeros(2 * rate)])
    signal += rng.standard_normal(len(signal)) * 0.07 * 10 ** (-45 / 20)
    scaled = (np.clip(signal, -1, 1) * 32767).astype(np.int16)
    return Scene(f"{count} recordings", scaled, rate, turns)


def _levels(samples: Any, rate: int) -> Any:
    """The power of each 10 ms."""
    block = rate // 100
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    return np.mean(blocks**2, axis=1)


def _has_pauses(samples: Any, rate: int) -> bool:
    """Is it no steady noise?"""
    levels = _levels(samples, rate)
    return bool(np.quantile(levels, 0.1) < levels.max() / 100)


def _spoken_in(samples: Any, rate: int) -> list[tuple[float, float]]:
    """From and to in ms."""
    levels = _levels(samples, rate)
    loud = np.flatnonzero(levels >= levels.max() / 1000) * 10.0
    spans: list[tuple[float, float]] = []
    for at in loud.tolist():
        if spans and at - spans[-1][1] < _PAUSE_MS:
            spans[-1] = spans[-1][0], at + 10
        else:
            spans.append((at, at + 10))
    return spans


def print_recorded(folder: Path, count: int, seed: int) -> None:
    """What a turn of these costs, in both modes."""
    scene = recorded(folder, count, seed)
    speech = sum(stop - start for start, stop in scene.turns)
    print(
        f"{count} recordings, {len(scene.turns)} turns, {speech / 1000:.1f} s"
    )
    for name, skip in (("send", False), ("skip", True)):
        heard = speak(scene, skip=skip)
        billed = heard.committed / 24
        more = (billed - speech) / len(scene.turns)
        missed = missed_ms(scene, heard)
        print(
            f"{name}: {billed / 1000:.1f} s in {heard.commits} turns,"
            f" {more:.0f} ms a turn more than speech; missed {missed:.0f} ms"
        )


def row(title: str, scenes: Iterable[Scene]) -> list[str]:
    """One line of the table."""
    total = 0.0
    sums = np.zeros((2, 3))
    known = False
    for scene in scenes:
        total += len(scene.samples) / scene.rate
        known = known or bool(scene.turns)
        for mode in (0, 1):
            heard = speak(scene, skip=mode == 1)
            sums[mode] += (
                heard.sent / 24000,
                heard.committed / 24000,
                missed_ms(scene, heard),
            )
    cells = [title, f"{total:.0f}"]
    for sent, committed, missed in sums:
        cells += [f"{sent:.0f}", f"{committed:.0f}"]
        cells.append(f"{missed:.0f}" if known else "-")
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.skip_silence")
    parser.add_argument("--print-table", action="store_true")
    parser.add_argument("--speech", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    table = given.print_table
    made = groups()
    rows: list[tuple[str, Callable[[], list[Scene]]]] = [
        ("samples/call.wav", lambda: [sample_scene()]),
        *((title, made[title]) for title in _GROUPS),
        ("pauses 10 s", _long_pauses),
    ]
    try:
        if given.speech is not None:
            print_recorded(given.speech, given.count, given.seed)
            return 0
        if table:
            print(f"| {' | '.join(_COLUMNS)} |")
            print("|" + "---|" * len(_COLUMNS))
        for title, make in rows:
            cells = row(title, make())
            if table:
                print(f"| {' | '.join(cells)} |", flush=True)
            else:
                for name, cell in zip(_COLUMNS, cells, strict=True):
                    print(f"{name.strip('`')} {cell}", end="  ")
                print(flush=True)
    except (OSError, ValueError, ImportError) as error:
        print(f"bench.skip_silence: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
