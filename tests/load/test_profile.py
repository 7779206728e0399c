"""The clocks of `bench.load.profiled`."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from bench.load import profile, profiled


class Work:
    """Takes 1 ms by itself, and 2 ms in each of what it calls."""

    def __init__(self, clock: list[int]) -> None:
        self._clock = clock

    def outer(self) -> str:
        self._clock[0] += 500_000
        self.inner()
        self.inner()
        self._clock[0] += 500_000
        return "done"

    def inner(self) -> None:
        self._clock[0] += 2_000_000

    async def sending(self) -> str:
        return self.outer()

    def failing(self) -> None:
        self._clock[0] += 1
        raise KeyError("x")


def test_a_stage_has_what_it_took_by_itself(monkeypatch):
    clock, stages = [0], profiled.Stages()
    monkeypatch.setattr(profiled.time, "thread_time_ns", lambda: clock[0])
    for name in ("outer", "inner", "sending", "failing"):
        monkeypatch.setattr(Work, name, getattr(Work, name))
        stages.watch(name, Work, name)
    work = Work(clock)
    work.inner()
    stages.reset()
    assert work.outer() == "done"
    assert asyncio.run(work.sending()) == "done"
    with pytest.raises(KeyError):
        work.failing()
    stages.keep()
    work.outer()
    assert stages.found == {
        "inner": (8_000_000, 4),
        "outer": (2_000_000, 2),
        "sending": (0, 1),
        "failing": (1, 1),
    }


def test_every_stage_is_there():
    for _, owner, names in profiled._STAGES:
        for name in names:
            assert callable(getattr(owner, name))


def test_wrong_usage_and_help():
    with pytest.raises(SystemExit) as ended:
        profile.main(["--seconds", "1"])
    assert ended.value.code == 2
    run = subprocess.run(
        [sys.executable, "-m", "bench.load.profile", "--help"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0
    assert "which stage of a call takes how much" in run.stdout
