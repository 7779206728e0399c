"""A call of the extension in random order, and a model that knows the right
outcome.

A seed makes a *schedule*: words, pauses, finalizes, changes of settings,
broken connections, refusals, a wrong key and its revival, and the stop; one in
five goes over HTTP and WebSockets by turns, and in one in three callers follow
one another.  The driver plays it over the host,
two local servers listen (engine ``script``, so every word is exact), and the
model tells what must come of each word, each finalize and each command.

    make extension-soak RUNS=300 SEED=1
    python tests/extension/extension_machine.py --repeat 17 --times 20
    python tests/extension/extension_machine.py --schedule '{...}' --verbose

The schedule of a seed is always the same; the threads of a run are real, so a
race may need several repeats.  Exit status: 0 no fault, 1 faults, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = map(str, Path(__file__).resolve().parents[1:3])

from devkit.bootstrap import ensure_ten

RUNTIME = ensure_ten()

from host_log import LogCall, log_calls  # noqa: E402
from ten_runtime import (  # noqa: E402
    AsyncExtensionTester,
    AsyncTenEnvTester,
    Cmd,
    Data,
)

from devkit.calls import finalize_request, pcm_frame  # noqa: E402
from devkit.script_audio import speak, word_ids  # noqa: E402
from devkit.server import ServerThread  # noqa: E402
from devkit.session_app import keep_app  # noqa: E402

ADDON = "openai_asr_python"
RATE = 16000
FRAME_MS = 20
ANSWER_S = 10.0
#: What a loaded machine may add to a bound.
SLACK_S = 1.0
SETTLE_S = 20.0
TIME_MS = 60
GOOD_KEY = "sk-good-0123456789"
WRONG_KEY = "sk-wrong-0123456789"
FATAL = -1000
APPLIES = {
    "at once",
    "next turn",
    "new session",
    "when the service can be reached",
}
_DROPPED = re.compile(r"audio dropped: (\d+) ms from (\d+) ms")

Step = list[Any]


# --- schedules ---------------------------------------------------------------


@dataclass
class Schedule:
    """One call: its first settings, its steps, and how it ends."""

    start: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    #: Everything reachable again and time given; else stop at once.
    settle: bool = True

    def text(self) -> str:
        return json.dumps(
            {"start": self.start, "steps": self.steps, "settle": self.settle}
        )

    @classmethod
    def parse(cls, text: str) -> Schedule:
        return cls(**json.loads(text))


def turns(kind: str, silence: int = 500) -> dict[str, Any]:
    """The setting ``turn_detection`` of a kind."""
    if kind == "server_vad":
        return {"type": kind, "silence_duration_ms": silence}
    return {"type": kind}


#: Names of updates, and how often they are drawn.
UPDATES = {
    "local": 3,  # nothing of it reaches the service
    "nothing": 1,
    "prompt": 4,
    "language": 2,
    "no_language": 2,
    "noise": 2,
    "turns": 4,
    "model": 3,
    "key": 2,
    "server": 3,
    "several": 2,
    "wrong_key": 2,
    "invalid": 2,
    "fixed": 1,
    "bogus": 2,
    "server_bogus": 1,
    "server_wrong_key": 1,
    "nowhere": 1,
}
#: Those of a call that goes over HTTP and WebSockets by turns.  Over HTTP
#: nothing but a turn tells what a service does not take, and no server ends
#: turns.
SWITCHING = {
    kind: often
    for kind, often in {**UPDATES, "transport": 6}.items()
    if kind not in ("noise", "turns", "bogus", "server_bogus")
}


def draw_update(
    rng: random.Random, detector: bool = False, switching: bool = False
) -> dict[str, Any]:
    """An update: {"kind", "params"}; B and A stand for the servers."""
    updates = SWITCHING if switching else UPDATES
    kind = rng.choices(list(updates), list(updates.values()))[0]
    number = rng.randrange(100)
    owners = ["server_vad", "server_vad", "none"]
    if detector:
        owners.append("local")
    params: dict[str, Any] = {
        "local": lambda: rng.choice(
            [
                {"log_level": "DEBUG"},
                {"log_level": "WARN"},
                {"stop_timeout_ms": rng.choice([0, 200, 300, 400])},
            ]
        ),
        "nothing": dict,
        "prompt": lambda: {"prompt": rng.choice(["", f"p{number}"])},
        "language": lambda: {"language": rng.choice(["de", "fr", "en"])},
        "no_language": lambda: {"language": ""},
        "noise": lambda: {
            "input_audio_noise_reduction": {
                "type": rng.choice(["near_field", "far_field"])
            }
        },
        "turns": lambda: {
            "turn_detection": turns(
                rng.choice(owners), rng.choice([400, 500, 600])
            )
        },
        "model": lambda: {
            "model": rng.choice(
                ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"]
            )
        },
        "key": lambda: {"api_key": f"sk-k{number}-0123456789"},
        "server": lambda: {"base_url": rng.choice(["A", "B"])},
        "several": lambda: {
            "prompt": f"p{number}",
            "language": rng.choice(["de", ""]),
            "model": rng.choice(["whisper-1", "gpt-4o-transcribe"]),
            "stop_timeout_ms": 300,
        },
        "wrong_key": lambda: {"api_key": WRONG_KEY},
        "invalid": lambda: rng.choice(
            [{"turn_detection": {"threshold": 7}}, {"languge": "de"}]
        ),
        "fixed": lambda: {"sample_rate": 8000},
        "bogus": lambda: {
            "session": {"bogus": 1},
            "prompt": f"never{number}",
        },
        "server_bogus": lambda: {
            "base_url": rng.choice(["A", "B"]),
            "model": "whisper-1",
            "session": {"bogus": 1},
        },
        "server_wrong_key": lambda: {
            "base_url": rng.choice(["A", "B"]),
            "api_key": WRONG_KEY,
            "prompt": f"never{number}",
        },
        "nowhere": lambda: {"base_url": "ws://127.0.0.1:9/v1"},
        "transport": lambda: {
            "transport": rng.choice(["http", "websocket"]),
            **rng.choice([{}, {}, {"base_url": "A"}, {"base_url": "B"}]),
        },
    }[kind]()
    return {"kind": kind, "params": params}


STEPS = {
    "say": 10,
    "quiet": 2,
    "finalize": 4,
    "sync": 4,
    "update": 9,
    "answers": 4,
    "two_updates": 2,
    "drop": 2,
    "drop_newest": 1,
    "expire": 1,
    "refuse": 1,
    "allow": 2,
    "revoke": 1,
    "revive": 2,
    "trigger": 1,
    "other": 1,
    "sleep": 3,
}


def generate(seed: int) -> Schedule:
    """The schedule of a seed."""
    rng = random.Random(f"extension machine {seed}")
    start = {
        "auto_connect": rng.random() < 0.75,
        "key": WRONG_KEY if rng.random() < 0.07 else GOOD_KEY,
        "invalid": rng.random() < 0.04,
        "turns": rng.choice(["server_vad", "server_vad", "none"]),
        "language": rng.choice(["", "", "de"]),
        "finalize_timeout_ms": rng.choice([600, 3000]),
        "early": rng.choice([0, 0, 0, 2, 4]),
        "max_buffer_ms": rng.choice([120000] * 5 + [12000]),
        "slow_handshake_ms": rng.choice([0, 0, 0, 50, 200]),
        "slow_updated_ms": rng.choice([0, 0, 0, 30, 150]),
        "slow_completed_ms": rng.choice([0, 0, 40]),
    }
    detector = rng.random() < 0.08
    switching = rng.random() < 0.2
    if switching:
        detector, start["turns"] = False, "none"
        start["transport"] = rng.choice(["http", "http", "websocket"])
    steps: list[Step] = []
    for _ in range(rng.randrange(2, 13)):
        name = rng.choices(list(STEPS), list(STEPS.values()))[0]
        if name == "say":
            pause = rng.choice([0, 100, 300, 900, 900, 1200])
            steps.append(["say", rng.randrange(1, 4), pause])
        elif name == "quiet":
            steps.append(["quiet", rng.choice([100, 800, 3000, 9000])])
        elif name == "update":
            steps.append(["update", draw_update(rng, detector, switching)])
            if rng.random() < 0.5:
                steps.append(["answers"])
        elif name == "two_updates":
            for _ in range(2):
                steps.append(["update", draw_update(rng, detector, switching)])
        elif name == "refuse":
            steps.append(["refuse", rng.choice(["A", "B", "AB"])])
            steps.append(["drop", True])
        elif name == "drop":
            steps.append(["drop", rng.random() < 0.7])
        elif name == "sleep":
            steps.append(["sleep", rng.choice([1, 5, 20, 100, 300])])
        else:
            steps.append([name])
    settle = rng.random() < 0.8
    if rng.random() < 0.3:
        steps = [
            part
            for step in steps
            for part in (
                [["caller"], step]
                if step[0] == "say" and rng.random() < 0.5
                else [step]
            )
        ]
    return Schedule(start, steps, settle)


# --- the model ---------------------------------------------------------------


@dataclass
class Word:
    """A word that was said: where, and from which settings on."""

    id: int
    start_ms: float
    end_ms: float
    #: The oldest settings that it may be heard under.
    version: int
    #: Nothing is promised: the local detector may not have heard it.
    free: bool
    #: Said while the call was dead, or about to be.
    dead: bool
    at: float
    caller: str


@dataclass
class Change:
    """An update on its way, and its answer."""

    number: int
    kind: str
    params: dict[str, Any]
    calm: bool
    sent_at: float
    answered_at: float = 0.0
    code: int | None = None
    message: str = ""
    applies: str | None = None
    trouble: str = ""

    @property
    def bad(self) -> bool:
        return self.kind in (
            "wrong_key",
            "invalid",
            "fixed",
            "bogus",
            "server_bogus",
            "server_wrong_key",
            "nowhere",
        )


@dataclass
class Mark:
    """A finalize."""

    id: str
    said: int
    dead: bool
    free: bool
    at: float
    #: Whose frames came last; None: there were none.
    caller: str | None


Settings = dict[str, Any]


def touched(word: Word, reports: list[tuple[int, int]]) -> bool:
    """A report covers some of the word; a cut word is no word."""
    return any(
        start < word.end_ms and word.start_ms < end for start, end in reports
    )


def merged(settings: Settings, params: dict[str, Any]) -> Settings:
    """What an accepted change makes of the settings."""
    new = dict(settings)
    for name, value in params.items():
        if name == "turn_detection":
            new["turns"] = value.get("type", new["turns"])
            new["silence"] = value.get("silence_duration_ms", 500)
        elif name == "input_audio_noise_reduction":
            new["noise"] = value["type"]
        elif name in ("prompt", "language", "model"):
            new[name] = value or None
        elif name == "base_url":
            new["server"] = value
        elif name == "transport":
            new["http"] = value == "http"
        elif name == "api_key":
            new["wrong_key"] = value == WRONG_KEY
        elif name == "session":
            new["bogus"] = bool(value)
    return new


class Machine:
    """One run: the driver's state and the model's.

    ``faults`` has a line for each promise that was broken, "kind: what".
    """

    def __init__(
        self,
        schedule: Schedule,
        servers: dict[str, ServerThread],
        log: list[str],
    ) -> None:
        self.log = log
        self.schedule = schedule
        self.servers = servers
        start = schedule.start
        self.words: list[Word] = []
        self.marks: list[Mark] = []
        self.changes: list[Change] = []
        self.pending: set[asyncio.Task[None]] = set()
        self.messages: list[tuple[float, str, dict[str, Any]]] = []
        self.faults: list[str] = []
        self.trace: list[str] = []
        self.began = time.monotonic()
        self.first: Settings = {
            "server": "A",
            "http": start.get("transport") == "http",
            "model": "gpt-4o-transcribe",
            "language": start.get("language") or None,
            "prompt": None,
            "noise": None,
            "turns": start.get("turns", "server_vad"),
            "silence": 500,
            "wrong_key": start.get("key", GOOD_KEY) == WRONG_KEY,
            "bogus": False,
        }
        self.versions: list[Settings] = [self.first]
        self.accepted: list[Change] = []
        #: Bad ones that were accepted; right only where one of the same
        #: change took back what was bad.
        self.untrue: list[Change] = []
        self.received_ms = 0.0
        #: The session_id of the frames.
        self.caller = 1
        self.latest_caller: str | None = None
        #: Settings of the turn that is open now, None between turns.
        self.turn_version: int | None = None
        self.refused: set[str] = set()
        self.revoked = False
        #: Nothing has disturbed the connection since the last proof of it.
        self.calm = True
        self.disturbances = 0
        self.fatals_revived = 0
        self.connected = bool(start.get("auto_connect", True))
        self.invalid = bool(start.get("invalid"))
        #: The local detector was asked for: it hears no coded words.
        self.detector = False
        self.stopped_at: float | None = None
        self.settled = False
        self.changed = asyncio.Event()

    # -- small things --

    def note(self, text: str) -> None:
        self.trace.append(f"{time.monotonic() - self.began:7.3f} {text}")

    def fault(self, kind: str, text: str) -> None:
        self.note(f"FAULT {kind}: {text}")
        self.faults.append(f"{kind}: {text}")

    @property
    def now(self) -> Settings:
        return self.versions[-1]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [content for _, kind, content in self.messages if kind == name]

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [r for r in self.of("asr_result") if r["final"]]

    def fatals(self) -> int:
        return sum(e["code"] == FATAL for e in self.of("error"))

    @property
    def dead(self) -> bool:
        return (
            self.invalid
            or self.revoked
            or self.now["wrong_key"]
            or self.now["bogus"]
            or self.fatals() > self.fatals_revived
        )

    def over(self) -> bool:
        """The extension has stopped, and said so: it had been started."""
        return self.stopped_at is not None and any(
            at >= self.stopped_at
            and name == "metrics"
            and "actual_send" in content["metrics"]
            for at, name, content in self.messages
        )

    def disturb(self) -> None:
        self.calm = False
        self.disturbances += 1

    def reports(self) -> list[tuple[int, int]]:
        """Reported stretches of lost audio, (start, end) in ms."""
        # What is sent at the very end comes when the tester has ended: only
        # the log shows it.
        texts = [error["message"] for error in self.of("error")]
        texts += [text for text in self.log if "send_asr_error" in text]
        found = []
        for text in texts:
            for length, start in _DROPPED.findall(text):
                found.append((int(start), int(start) + int(length)))
        return found

    def heard(self) -> list[int | None]:
        return [i for f in self.finals for i in word_ids(f["text"])]

    def reported(self, word: Word) -> bool:
        return touched(word, self.reports())

    @property
    def cut(self) -> bool:
        """A turn may have been cut in the middle of a word."""
        small = self.schedule.start.get("max_buffer_ms", 120000) < 10000
        return small or self.detector

    def settled_words(self) -> bool:
        heard = set(self.heard())
        return all(
            w.id in heard or w.free or self.reported(w) for w in self.words
        )

    async def until(self, condition: Callable[[], Any], timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not condition():
            self.changed.clear()
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                return bool(condition())
        return True


# --- the driver --------------------------------------------------------------


class Driver(AsyncExtensionTester):
    """Plays a schedule."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.m = machine
        self.error: BaseException | None = None

    # -- life --

    async def on_init(self, ten_env: AsyncTenEnvTester) -> None:
        self.env = ten_env
        early = self.m.schedule.start.get("early", 0)
        for step in self.m.schedule.steps[:early]:
            if step[0] in ("sync", "answers"):
                continue
            await self.play(step)

    async def on_start(self, ten_env: AsyncTenEnvTester) -> None:
        early = self.m.schedule.start.get("early", 0)
        try:
            for step in self.m.schedule.steps[early:]:
                await self.play(step)
            if self.m.schedule.settle:
                await self.settle()
        except BaseException as error:
            self.error = error
        # What a host has not delivered when it stops was never heard.
        await ten_env.send_cmd(Cmd.create("are_you_there"))
        self.m.stopped_at = time.monotonic()
        self.m.note("stop")
        ten_env.stop_test()

    async def on_stop(self, ten_env: AsyncTenEnvTester) -> None:
        # The last word of an extension that was started; a lost connection
        # has one of these of its own, so words may follow.
        await self.m.until(self.m.over, 1.5)
        if self.m.over() and not self.m.settled_words():
            await self.m.until(self.m.settled_words, 0.6)
        for task in self.m.pending:
            task.cancel()

    async def on_data(self, ten_env: AsyncTenEnvTester, data: Data) -> None:
        text, _ = data.get_property_to_json()
        content = json.loads(text)
        name = data.get_name()
        self.m.messages.append((time.monotonic(), name, content))
        if name != "metrics":
            keys = ("text", "final", "start_ms", "finalize_id", "code")
            short = {k: content[k] for k in keys if k in content}
            if name == "error":
                short["message"] = content["message"]
            self.m.note(f"  <- {name} {short}")
        self.m.changed.set()

    # -- steps --

    async def play(self, step: Step) -> None:
        self.m.note(f"{step}")
        await getattr(self, f"do_{step[0]}")(*step[1:])

    async def do_say(self, count: int, pause: int) -> None:
        m = self.m
        first = len(m.words) + 1
        audio, times = speak(
            [list(range(first, first + count))],
            RATE,
            0,
            lead_ms=100,
            tail_ms=pause,
        )
        if m.turn_version is None:
            m.turn_version = len(m.versions) - 1
        free = m.now["turns"] == "local" or any(
            "local" in json.dumps(c.params) for c in m.changes if not c.code
        )
        for number, start, end in times:
            m.words.append(
                Word(
                    number,
                    m.received_ms + start * 1000 / RATE,
                    m.received_ms + end * 1000 / RATE,
                    m.turn_version,
                    free,
                    m.dead,
                    time.monotonic(),
                    str(m.caller),
                )
            )
        if pause >= 900 and m.now["turns"] == "server_vad":
            m.turn_version = None
        await self.send(audio.tobytes())

    async def do_quiet(self, ms: int) -> None:
        if ms >= 800 and self.m.now["turns"] == "server_vad":
            self.m.turn_version = None
        await self.send(bytes(2 * RATE * ms // 1000))

    async def send(self, data: bytes) -> None:
        size = 2 * RATE * FRAME_MS // 1000
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self.m.received_ms += len(piece) * 1000 / (2 * RATE)
            self.m.latest_caller = str(self.m.caller)
            frame = pcm_frame(piece, RATE)
            frame.set_property_from_json(
                "metadata", json.dumps({"session_id": str(self.m.caller)})
            )
            await self.env.send_audio_frame(frame)
            await asyncio.sleep(0)

    async def do_caller(self) -> None:
        """The next one; what is open of the last one ends."""
        self.m.caller += 1
        self.m.turn_version = None

    async def do_finalize(self) -> Mark:
        m = self.m
        free = any(w.free for w in m.words)
        mark = Mark(
            f"f{len(m.marks) + 1}",
            len(m.words),
            m.dead,
            free,
            time.monotonic(),
            m.latest_caller,
        )
        m.marks.append(mark)
        m.connected = m.connected or (bool(m.words) and not m.invalid)
        m.turn_version = None
        await self.env.send_data(finalize_request(mark.id))
        return mark

    async def do_sync(self) -> None:
        """Finalize and wait for the end signal."""
        m = self.m
        before = m.disturbances
        mark = await self.do_finalize()

        def ended() -> bool:
            ends = m.of("asr_finalize_end")
            return any(e["finalize_id"] == mark.id for e in ends)

        bound = m.schedule.start.get("finalize_timeout_ms", 3000) / 1000
        if not await m.until(ended, bound + SLACK_S):
            m.fault("finalize late", f"{mark.id} has no end in its bound")
        await asyncio.sleep(0)
        quiet = m.disturbances == before and not m.refused and not m.dead
        if quiet and m.settled_words():
            m.calm = True

    async def do_update(self, update: dict[str, Any]) -> Change:
        m = self.m
        change = Change(
            len(m.changes) + 1,
            update["kind"],
            update["params"],
            m.calm
            and m.connected
            and not m.dead
            and not m.refused
            # What was taken unseen before there was a connection.
            and not any(c.bad and c.code == 0 for c in m.changes)
            and not any(c.bad and c.code is None for c in m.changes),
            time.monotonic(),
        )
        before = m.disturbances
        m.changes.append(change)
        if "local" in json.dumps(change.params):
            m.detector = True
            heard = set(m.heard())
            for word in m.words:
                word.free = word.free or word.id not in heard
        params = dict(update["params"])
        if params.get("base_url") in self.m.servers:
            params["base_url"] = m.servers[params["base_url"]].url
        cmd = Cmd.create("update_configs")
        cmd.set_property_from_json(None, json.dumps({"params": params}))
        task = asyncio.create_task(self.answer(cmd, change, before))
        m.pending.add(task)
        task.add_done_callback(m.pending.discard)
        # The command leaves before the next step's frames.
        await asyncio.sleep(0)
        return change

    async def answer(self, cmd: Cmd, change: Change, before: int) -> None:
        m = self.m
        answers = 0
        async for result, error in self.env.send_cmd_ex(cmd):
            answers += 1
            change.answered_at = time.monotonic()
            if error is not None or result is None:
                change.trouble = f"{error}"
                continue
            change.code, missing = result.get_property_int("code")
            if missing is not None:
                change.code = None
                change.trouble = result.get_property_to_json("")[0]
                continue
            change.message, _ = result.get_property_string("message")
            applies, missing = result.get_property_string("applies")
            change.applies = applies if missing is None else None
        took = change.answered_at - change.sent_at
        m.note(
            f"  <- update {change.number} {change.params}: {change.code} "
            f"{change.message!r} {change.applies!r} {change.trouble} "
            f"after {took:.2f} s"
        )
        if m.stopped_at is None:
            if answers != 1 or change.trouble:
                m.fault("answers", f"{answers}, {change.trouble}: {change}")
            if took > ANSWER_S + 0.3:
                m.fault("answer late", f"{took:.1f} s: {change}")
        self.judge(change, m.disturbances != before)
        m.changed.set()

    def judge(self, change: Change, disturbed: bool) -> None:
        m = self.m
        if change.code is None:
            return
        name = f"update {change.number} {change.params}"
        others = [c for c in m.changes if c.code is None]
        sure = change.calm and not disturbed and m.stopped_at is None
        sure = sure and not m.dead
        if change.code == 0:
            if change.message != "applied" or change.applies not in APPLIES:
                m.fault("answer shape", f"{name}: {change}")
            if change.kind == "invalid" or (change.kind == "fixed" and sure):
                m.fault("invalid applied", f"{name}: {change}")
            elif change.bad and sure and "transport" not in m.schedule.start:
                m.untrue.append(change)
            if sure and change.kind == "local" and change.applies != "at once":
                m.fault("local not at once", f"{name}: {change}")
            m.accepted.append(change)
            settings = m.first
            for one in sorted(m.accepted, key=lambda c: c.number):
                settings = merged(settings, one.params)
            if settings != m.now:
                m.versions.append(settings)
            if change.kind == "revive" and (
                change.applies == "when the service can be reached"
            ):
                m.fault("reachable", f"{name}: {change}")
            alone = change.kind != "nowhere" and not any(
                c.answered_at > change.sent_at
                for c in m.changes
                if c.number < change.number
            )
            late = change.applies == "when the service can be reached"
            if (alone and late) and any(
                kind == "error" and content["code"] == FATAL
                for at, kind, content in m.messages
                # The first may be of the call before, on its way already.
                if change.sent_at + SLACK_S <= at <= change.answered_at
            ):
                m.fault("applied to a dead call", f"{name}: {change}")
            m.fatals_revived = m.fatals()
            m.invalid = False
            if m.now["turns"] != settings["turns"]:
                m.turn_version = None
        elif change.code == -1:
            if not change.message:
                m.fault("answer shape", f"{name}: no reason")
            if change.kind in ("local", "nothing") and m.stopped_at is None:
                if not m.dead:
                    m.fault("local refused", f"{name}: {change}")
            elif not change.bad and sure and not others:
                m.fault("good refused", f"{name}: {change}")
        else:
            m.fault("answer shape", f"{name}: code {change.code}")

    async def do_answers(self) -> None:
        """Wait for all answers; their bound is checked when they come."""
        pending = list(self.m.pending)
        if pending:
            _, late = await asyncio.wait(pending, timeout=ANSWER_S + SLACK_S)
            if late:
                silent = [c for c in self.m.changes if c.answered_at == 0]
                self.m.fault("no answer", f"{silent}")

    async def do_drop(self, abort: bool) -> None:
        self.m.disturb()
        for server in self.m.servers.values():
            await asyncio.to_thread(server.drop_connections, abort=abort)

    async def do_drop_newest(self) -> None:
        """One connection of two may die: that of the other server."""
        self.m.disturb()
        other = "B" if self.m.now["server"] == "A" else "A"
        await asyncio.to_thread(self.m.servers[other].drop_connections)

    async def do_expire(self) -> None:
        self.m.disturb()
        for server in self.m.servers.values():
            await asyncio.to_thread(server.expire_sessions)

    async def do_refuse(self, which: str) -> None:
        self.m.disturb()
        for name in which:
            self.m.refused.add(name)
            if not self.m.revoked:
                await asyncio.to_thread(self.m.servers[name].refuse)

    async def do_allow(self) -> None:
        for name in self.m.refused:
            if not self.m.revoked:
                await asyncio.to_thread(self.m.servers[name].refuse, False)
        self.m.refused.clear()

    async def do_revoke(self) -> None:
        """The key is refused from now on, also to the running call."""
        self.m.disturb()
        self.m.revoked = True
        for server in self.m.servers.values():
            await asyncio.to_thread(server.refuse, error="invalid_api_key")
            await asyncio.to_thread(server.drop_connections)

    async def do_revive(self) -> None:
        """Every server reachable again, and a key that is right."""
        m = self.m
        if not m.dead:
            return
        self.m.revoked = False
        for server in m.servers.values():
            await asyncio.to_thread(server.refuse, False)
        m.refused.clear()
        params: dict[str, Any] = {"api_key": f"sk-r{len(m.changes)}-012345678"}
        if m.invalid:
            params["sample_rate"] = RATE
        if m.now["bogus"]:
            params["session"] = ""
        await self.do_update({"kind": "revive", "params": params})
        await self.do_answers()

    async def do_allow_all(self) -> None:
        """Everything reachable, and the key is right again."""
        self.m.revoked = False
        self.m.refused.clear()
        for server in self.m.servers.values():
            await asyncio.to_thread(server.refuse, False)

    async def do_trigger(self) -> None:
        self.m.connected = self.m.connected or not self.m.invalid
        await self.env.send_data(Data.create("trigger_connect"))

    async def do_other(self) -> None:
        result, error = await asyncio.wait_for(
            self.env.send_cmd(Cmd.create("flush")), ANSWER_S
        )
        if error is not None or result is None or result.get_status_code():
            self.m.fault("other command", f"{error}")

    async def do_sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    # -- the end --

    async def settle(self) -> None:
        """Everything is reachable: the call works, and nothing is lost."""
        m = self.m
        m.note("settle")
        await self.do_allow()
        await self.do_answers()
        if m.now["server"] not in m.servers:
            await self.do_allow_all()
            params = {"base_url": "A", "api_key": GOOD_KEY, "session": ""}
            await self.do_update({"kind": "revive", "params": params})
            await self.do_answers()
        for _ in range(2):
            if m.dead:
                await self.do_revive()
        if m.dead:
            m.fault("not revived", f"{m.changes[-1]}")
            return
        if m.now["turns"] == "local":
            await self.do_update(
                {"kind": "turns", "params": {"turn_detection": turns("none")}}
            )
            await self.do_answers()
            # What is kept of the words that only the detector could hear.
            await self.do_quiet(3000)
            await self.do_finalize()
        await self.do_trigger()
        await self.do_say(2, 1200)
        last = m.words[-2:]
        if m.now["turns"] == "local":
            return
        for word in last:
            word.free = False
        deadline = time.monotonic() + SETTLE_S
        while not m.settled_words() and time.monotonic() < deadline:
            # A finalize that timed out is no promise; ask again.
            await self.do_finalize()
            await m.until(m.settled_words, 4)
            if m.dead:
                m.fault("dies again", f"{m.of('error')[-1]['message']}")
                return
        heard = m.heard()
        for word in last:
            if word.id not in heard:
                m.fault("deaf", f"word {word.id} of the end is not heard")
        await m.until(lambda: len(m.of("asr_finalize_end")) >= len(m.marks), 5)
        m.settled = True


# --- the account after the run ------------------------------------------------


def account(m: Machine) -> None:
    """Every word, time, finalize and setting of a run that is over."""
    check_words(m)
    check_callers(m)
    check_times(m)
    check_marks(m)
    check_settings(m)
    check_answers(m)


def check_words(m: Machine) -> None:
    heard = m.heard()
    if None in heard and not m.cut and not m.reports():
        m.fault("broken word", f"{[f['text'] for f in m.finals]}")
    ids = [i for i in heard if i is not None]
    for i, count in Counter(ids).items():
        if count > 1:
            m.fault("doubled", f"word {i} {count} times")
    once = list(dict.fromkeys(ids))
    if once != sorted(once):
        m.fault("order", f"{ids}")
    for word in m.words:
        if word.id in ids:
            if any(
                a <= word.start_ms and word.end_ms <= b for a, b in m.reports()
            ):
                m.fault("heard and reported", f"{word} {m.reports()}")
        elif m.invalid and word.dead:
            # A call that never had a valid configuration says so once.
            continue
        elif not word.free and not m.reported(word):
            kind = "lost"
            if word.dead:
                kind = "lost while dead"
            if not m.settled:
                kind += " at the stop"
                if not m.over():
                    continue
            m.fault(kind, f"{word}; reports {m.reports()}")


def check_callers(m: Machine) -> None:
    for result in m.of("asr_result"):
        said_by = {
            m.words[i - 1].caller
            for i in word_ids(result["text"])
            if i is not None and i <= len(m.words)
        }
        if said_by and said_by != {result["metadata"].get("session_id")}:
            m.fault("caller", f"{result}, said by {said_by}")


def check_times(m: Machine) -> None:
    for final in m.finals:
        ids = [i for i in word_ids(final["text"]) if i is not None]
        if not ids or None in word_ids(final["text"]):
            continue
        word = m.words[ids[0] - 1]
        if word.free:
            continue  # the detector did not hear where it began
        if abs(final["start_ms"] - word.start_ms) > TIME_MS:
            m.fault(
                "start_ms",
                f"word {word.id} at {word.start_ms:.0f}, told as "
                f"{final['start_ms']}",
            )


def check_marks(m: Machine) -> None:
    timeouts = [
        at
        for at, name, content in m.messages
        if name == "error"
        and content.get("vendor_info", {}).get("code") == "finalize_timeout"
    ]
    ended: Counter[str] = Counter()
    heard: set[int | None] = set()
    reports: list[tuple[int, int]] = []
    for at, name, content in m.messages:
        if name == "asr_result" and content["final"]:
            heard.update(word_ids(content["text"]))
        if name == "error":
            for length, start in _DROPPED.findall(content["message"]):
                reports.append((int(start), int(start) + int(length)))
        if name != "asr_finalize_end":
            continue
        ended[content["finalize_id"]] += 1
        mark = next(x for x in m.marks if x.id == content["finalize_id"])
        asked = content["metadata"].get("session_id")
        if mark.caller is not None and asked != mark.caller:
            m.fault("finalize of another", f"{content}, asked {mark}")
        bound = m.schedule.start.get("finalize_timeout_ms", 3000) / 1000
        if at - mark.at > bound + SLACK_S:
            m.fault("finalize late", f"{mark.id} after {at - mark.at:.1f} s")
        missing = [
            w
            for w in m.words[: mark.said]
            if w.id not in heard and not w.free and not touched(w, reports)
        ]
        excused = (
            mark.dead
            or any(w.dead for w in missing)
            # Of many in a row not each is told.
            or (timeouts and at - mark.at > bound - 0.02)
            or (m.stopped_at is not None and at > m.stopped_at)
        )
        if missing and not excused:
            fatal = any(
                kind == "error" and e["code"] == FATAL and t <= at
                for t, kind, e in m.messages
            )
            if not fatal:
                m.fault("finalize early", f"{mark.id} before {missing[0]}")
    for mark in m.marks:
        if ended[mark.id] > 1 or (m.settled and ended[mark.id] != 1):
            m.fault("finalize ends", f"{mark.id}: {ended[mark.id]}")


def told_settings(
    server: str, over_http: bool, config: dict[str, Any]
) -> Settings:
    """Those with which a turn was asked for."""
    names = ("model", "language", "prompt")
    asked = {name: config.get(name) or None for name in names}
    return {"server": server, "http": over_http, **asked}


def files_with(m: Machine, text: str) -> list[Settings]:
    """Of the requests over HTTP that were answered like that."""
    return [
        told_settings(
            name, True, {k: values[0] for k, values in request.fields.items()}
        )
        for name, server in m.servers.items()
        for request in server.requests
        if request.transcript == text
    ]


def check_settings(m: Machine) -> None:
    items = {
        item.item_id: (name, session, item)
        for name, server in m.servers.items()
        for session in server.sessions
        for item in session.items
    }
    last = None
    for final in m.finals:
        ids = [i for i in word_ids(final["text"]) if i is not None]
        item_id = final["metadata"]["asr_info"].get("item_id")
        if item_id in items:
            name, last, item = items[item_id]
            heard = [told_settings(name, False, item.config or {})]
        else:
            heard, last = files_with(m, final["text"]), None
        if not heard:
            m.fault("item_id", f"{final}")
        if not (heard and ids) or ids[-1] > len(m.words):
            continue
        # A turn is as old as its first word.
        oldest = m.words[ids[0] - 1].version
        allowed = [{k: v[k] for k in heard[0]} for v in m.versions[oldest:]]
        if not any(got in allowed for got in heard):
            m.fault(
                "wrong settings",
                f"words {ids} heard under {heard}, allowed {allowed}",
            )
    if not m.settled or last is None or last.config is None:
        return
    audio = last.config["audio"]["input"]
    turn = audio.get("turn_detection")
    noise = audio.get("noise_reduction")
    got = {
        "turns": turn["type"] if turn else "none",
        "noise": noise["type"] if noise else None,
    }
    wanted = {k: m.now[k] for k in got}
    if wanted["turns"] == "server_vad" and turn:
        got["silence"] = turn["silence_duration_ms"]
        wanted["silence"] = m.now["silence"]
    if got != wanted:
        m.fault("wrong session", f"{got}, wanted {wanted}")


def check_answers(m: Machine) -> None:
    """No bad update is applied, unless the service never came to see it: of
    those that are merged the last one decides."""
    taken_back_by = {
        "wrong_key": "api_key",
        "server_wrong_key": "api_key",
        "nowhere": "base_url",
    }
    for bad in m.untrue:
        if not any(
            bad.number < change.number
            and change.sent_at < bad.answered_at
            and taken_back_by.get(bad.kind) in change.params
            for change in m.accepted
        ):
            m.fault("untrue applied", f"{bad}")


# --- one run ------------------------------------------------------------------


class _Lines(logging.Handler):
    """What must not stand in the log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.bad: list[str] = []
        self.all: list[str] = []

    def hear(self, call: LogCall) -> None:
        """The real runtime writes no lines to Python's loggers."""
        if RUNTIME == "real":
            name = call.level.name.replace("WARN", "WARNING")
            level = logging.getLevelName(name)
            self.emit(
                logging.LogRecord("ten", level, "", 0, call.text, None, None)
            )

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" {record.exc_info[1]!r}"
        self.all.append(f"{record.levelname} {text}")
        wrong = (
            "internal error" in text
            or "failed:" in text.replace("the request failed:", "")
            or "Traceback" in text
            or "Uncaught" in text
            or "did not end" in text
            or "never retrieved" in text
            or "not delivered" in text
            or (
                getattr(record, "ten_leftover_tasks", 0)
                and record.levelno >= logging.WARNING
            )
            or (record.name == "asyncio" and record.levelno >= logging.ERROR)
        )
        if wrong:
            self.bad.append(text)


def quiet_logs() -> None:
    for handler in logging.getLogger("ten_runtime").handlers:
        handler.setLevel(logging.CRITICAL + 1)
    logging.getLogger("devkit").setLevel(logging.CRITICAL)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)


def properties(schedule: Schedule, url: str) -> dict[str, Any]:
    start = schedule.start
    params: dict[str, Any] = {
        "api_key": start.get("key", GOOD_KEY),
        "base_url": url,
        "input_audio_transcription": {
            "model": "gpt-4o-transcribe",
            "language": start.get("language", ""),
        },
        "turn_detection": turns(start.get("turns", "server_vad")),
        "finalize_timeout_ms": start.get("finalize_timeout_ms", 3000),
        "stop_timeout_ms": start.get("stop_timeout_ms", 400),
        "connect_timeout_ms": 2000,
        "transport": start.get("transport", "websocket"),
    }
    buffer_ms = start.get("max_buffer_ms", 120000)
    if buffer_ms != 120000:
        params["max_buffer_ms"] = buffer_ms
        params["max_turn_ms"] = buffer_ms // 2
    if start.get("invalid"):
        params["sample_rate"] = "fast"
    return {
        "auto_connect": start.get("auto_connect", True),
        "params": params,
    }


def run(schedule: Schedule) -> Machine:
    """Play one schedule; ``faults`` of the result tells what was wrong."""
    start = schedule.start
    lines = _Lines()
    loggers = [logging.getLogger("ten_runtime"), logging.getLogger("asyncio")]
    changes: dict[str, Any] = {}
    if start.get("slow_handshake_ms"):
        changes["slow_handshake"] = "always"
        changes["slow_handshake_ms"] = start["slow_handshake_ms"]
    if start.get("slow_updated_ms"):
        changes["slow_session_updated_ms"] = start["slow_updated_ms"]
    if start.get("slow_completed_ms"):
        changes["slow_completed"] = "always"
        changes["slow_completed_ms"] = start["slow_completed_ms"]
    with ServerThread() as one, ServerThread() as two:
        for server in (one, two):
            server.inject(**changes)
        machine = Machine(schedule, {"A": one, "B": two}, lines.all)
        driver = Driver(machine)
        driver.set_test_mode_single(
            ADDON, json.dumps(properties(schedule, one.url))
        )
        driver.set_timeout(120_000_000)
        for logger in loggers:
            logger.addHandler(lines)
        keep_app()
        try:
            with log_calls(lines.hear):
                error = driver.run()
        finally:
            for logger in loggers:
                logger.removeHandler(lines)
        took = time.monotonic() - (machine.stopped_at or time.monotonic())
        if error is not None:
            machine.fault("run", f"{error}")
        if driver.error is not None:
            machine.fault("driver", f"{driver.error!r}")
        if took > 3.5:
            machine.fault("slow stop", f"{took:.1f} s")
        for text in lines.bad:
            machine.fault("log", text)
        machine.log = lines.all
        account(machine)
    return machine


def kinds(faults: list[str]) -> set[str]:
    return {fault.split(":")[0] for fault in faults}


def shrink(schedule: Schedule, kind: str, times: int = 3) -> Schedule:
    """The shortest schedule found that still has a fault of ``kind``."""

    def fails(candidate: Schedule) -> bool:
        return any(kind in kinds(run(candidate).faults) for _ in range(times))

    best = schedule
    for size in (4, 2, 1, 1):
        place = 0
        while place < len(best.steps):
            steps = best.steps[:place] + best.steps[place + size :]
            candidate = Schedule(best.start, steps, best.settle)
            if fails(candidate):
                best = candidate
            else:
                place += size
    for name in list(best.start):
        start = {k: v for k, v in best.start.items() if k != name}
        candidate = Schedule(start, best.steps, best.settle)
        if fails(candidate):
            best = candidate
    return best


def run_seed(seed: int) -> tuple[int, list[str], float]:
    quiet_logs()
    began = time.monotonic()
    faults = run(generate(seed)).faults
    return seed, faults, time.monotonic() - began


# --- command line -------------------------------------------------------------


def _soak(runs: int, seed: int, workers: int) -> int:
    began = time.monotonic()
    failed: list[tuple[int, list[str]]] = []
    seeds = range(seed * 1_000_000, seed * 1_000_000 + runs)
    slow = 0.0
    with get_context("spawn").Pool(workers) as pool:
        for done, (one, faults, took) in enumerate(
            pool.imap_unordered(run_seed, seeds), 1
        ):
            slow = max(slow, took)
            if faults:
                failed.append((one, faults))
                print(f"seed {one}: {faults[0][:300]}", flush=True)
            if done % 500 == 0:
                print(f"{done} runs, {len(failed)} failed", flush=True)
    took = time.monotonic() - began
    print(
        f"{runs} runs, {len(failed)} failed, {took:.0f} s, slowest {slow:.1f} s"
    )
    for kind, count in Counter(
        kind for _, faults in failed for kind in kinds(faults)
    ).most_common():
        example = next(s for s, faults in failed if kind in kinds(faults))
        print(f"{count:5} {kind}: --repeat {example}")
    if failed:
        print(
            "repeat one: .venv/bin/python tests/extension/"
            "extension_machine.py --repeat SEED --times 10 --verbose"
        )
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--repeat", type=int, metavar="SEED")
    parser.add_argument("--schedule", metavar="JSON")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--shrink", metavar="KIND")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.runs < 1 or options.workers < 1 or options.times < 1:
        parser.error("--runs, --workers and --times are at least 1")
    if options.repeat is None and options.schedule is None:
        return _soak(options.runs, options.seed, options.workers)
    quiet_logs()
    schedule = (
        generate(options.repeat)
        if options.schedule is None
        else Schedule.parse(options.schedule)
    )
    if options.shrink:
        schedule = shrink(schedule, options.shrink)
    print(schedule.text())
    failures = 0
    for _ in range(options.times):
        machine = run(schedule)
        failures += bool(machine.faults)
        if options.verbose:
            print("\n".join([*machine.log, *machine.trace]))
        for fault in machine.faults:
            print(f"- {fault}")
    print(f"{options.times} runs, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
