"""Calls of the extension in random order (extension_machine.py)."""

from __future__ import annotations

from typing import Any

import pytest
from extension_machine import Machine, Schedule, generate, run

SEEDS = range(12)
SAID = [["say", 1, 900], ["sync"]]
LOCAL = ["update", {"kind": "local", "params": {"log_level": "DEBUG"}}]
PROMPT = ["update", {"kind": "prompt", "params": {"prompt": "a"}}]

#: What the machine found, each as its shortest schedule.
FOUND: dict[str, tuple[dict[str, Any], list[list[Any]], bool]] = {
    "stop of a call that never connected": (
        {"auto_connect": False},
        [["other"], ["say", 2, 900], ["sleep", 100]],
        False,
    ),
    "stop of a dead call that still heard audio": (
        {},
        [*SAID, ["revoke"], ["sleep", 200], ["say", 2, 900], ["sleep", 50]],
        False,
    ),
    "updates on their way when a dead call stops": (
        {},
        [*SAID, ["revoke"], ["sleep", 100], LOCAL, PROMPT, ["sleep", 5]],
        False,
    ),
    "a connection that comes as the stop gives up": (
        {
            "slow_handshake_ms": 200,
            "slow_updated_ms": 150,
            "stop_timeout_ms": 360,
        },
        [["other"], ["sleep", 20], ["say", 2, 100], ["sleep", 20]],
        False,
    ),
    "a better key is answered when it works": (
        {},
        [*SAID, ["revoke"], ["sleep", 200], ["revive"], ["say", 1, 1200]],
        True,
    ),
    "an update of a dead call whose key stays wrong": (
        {"key": "sk-wrong-0123456789"},
        [["sleep", 100], LOCAL, ["answers"], ["revive"]],
        True,
    ),
    "a local setting behind one that waits in an outage": (
        {},
        [
            *SAID,
            ["refuse", "AB"],
            ["drop", True],
            PROMPT,
            LOCAL,
            ["sleep", 50],
            ["allow"],
        ],
        True,
    ),
    "a stop without any time, in an outage": (
        {"stop_timeout_ms": 0},
        [["refuse", "AB"], ["drop", True], ["say", 2, 100], ["sleep", 600]],
        False,
    ),
    "words before a burst that fills the buffer": (
        {"turns": "none", "max_buffer_ms": 12000},
        [*SAID, ["say", 1, 100], ["quiet", 14000], ["say", 1, 900]],
        True,
    ),
}


def report(machine: Machine) -> str:
    lines = [machine.schedule.text(), *machine.trace, *machine.faults]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_call_keeps_every_promise(seed):
    machine = run(generate(seed))
    assert not machine.faults, report(machine)


@pytest.mark.parametrize("name", FOUND)
def test_what_the_machine_found_once(name):
    machine = run(Schedule(*FOUND[name]))
    assert not machine.faults, report(machine)


def test_the_schedule_of_a_seed_is_always_the_same():
    assert generate(7).text() == generate(7).text()
    assert Schedule.parse(generate(7).text()) == generate(7)
