"""One run of a client in a scenario."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.load.runs import START_S, Client, RunError, end, line, started

from .account import Account, account
from .scenarios import Scenario
from .script import Script

#: Later than this a frame is not what a call's is, in ms: Pipecat's resampler,
#: for one, begins anew after 200 ms without audio, which damages a word.
_LATE_MS = 200
#: A run in which one was is made again, at most so often.
_TRIES = 3


class Service:
    """The server's process, and the one that comes after it."""

    def __init__(self, stack: ExitStack, faults: Mapping[str, Any]) -> None:
        """Returns when it listens; raises `RunError`."""
        self._stack = stack
        self._faults = json.dumps(dict(faults))
        self._seen: Counter[str] = Counter()
        self.port = 0
        self.start()

    def start(self) -> None:
        """On the same port again."""
        command = [sys.executable, "-m", "bench.faults.server"]
        self.process = started(
            self._stack, [*command, str(self.port), self._faults]
        )
        assert self.process.stdout is not None
        port = line(self.process.stdout, START_S)
        if not port:
            raise RunError("the server does not start")
        self.port = int(port)

    def ask(self, what: str) -> None:
        """Call this method of the server; raises `RunError`."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{what}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RunError("the server ended by itself") from None

    def seen(self) -> Counter[str]:
        """What it has seen, and those before it."""
        assert self.process.stdout is not None
        self.ask("count")
        # What was printed before, one has read or need not know.
        for said in self.process.stdout:
            if said.startswith("{"):
                return self._seen + Counter(json.loads(said))
        raise RunError("the server ended by itself")

    def kill(self) -> None:
        """As a crash does: SIGKILL."""
        self._seen = self.seen()
        end(self.process)


def run_in_time(
    command: list[str],
    who: str,
    scenario: Scenario,
    script: Script,
    folder: Path,
) -> Account:
    """A `run` whose frames went in on time, else the best of some."""
    found: list[Account] = []
    for attempt in range(_TRIES):
        again = folder / str(attempt)
        found.append(run(command, who, scenario, script, again))
        if found[-1].late_ms[1] <= _LATE_MS:
            break
    return min(found, key=lambda a: a.late_ms[1])


def run(
    command: list[str],
    who: str,
    scenario: Scenario,
    script: Script,
    folder: Path,
) -> Account:
    """``command``: the Python that has the client.  Raises `RunError`."""
    folder.mkdir(parents=True)
    script.plan.write(folder / "plan.json")
    with ExitStack() as stack:
        service = Service(stack, scenario.faults(script))
        url = f"http://127.0.0.1:{service.port}/v1"
        client = Client(
            stack,
            [*command, "-m", "bench.faults.client"],
            (who, url),
            script.plan,
            folder,
            {"DEVKIT_RUNTIME": "standin"},
        )
        client.wait_ready(service.process)

        def strike() -> None:
            begin = time.monotonic()
            for at, what in scenario.strikes(script):
                time.sleep(max(begin + at - time.monotonic(), 0))
                if what in ("kill", "start"):
                    getattr(service, what)()
                else:
                    service.ask(what)

        notes = client.feed(strike)
        return account(script, notes, service.seen())
