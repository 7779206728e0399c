"""The doctor, called as its command is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devkit.doctor.__main__ import main

KEY = "sk-test-0123456789"


@dataclass(frozen=True)
class Outcome:
    """What came of a run; ``checks`` by group and name where it was asked
    for JSON."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.out)
        return report

    @property
    def checks(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        listed = self.report["checks"]
        return {(c["group"], c["name"]): c for c in listed}

    def primary(self, name: str) -> Mapping[str, Any]:
        """A check of the first endpoint."""
        return self.checks["Endpoint primary", name]

    def found(self, name: str) -> Mapping[str, Any]:
        """A check of the configuration."""
        return self.checks["Configuration", name]


Doctor = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.lower().endswith("_proxy") or name == "OPENAI_API_KEY":
            monkeypatch.delenv(name)


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    def call(*arguments: str) -> Outcome:
        status = main(["--timeout", "5", *arguments])
        return Outcome(status, *capsys.readouterr())

    return call


@pytest.fixture
def examine(doctor: Doctor, tmp_path: Path) -> Doctor:
    """The doctor's JSON for these ``params`` beside a key."""

    def call(*arguments: str, top: Any = None, **params: Any) -> Outcome:
        path = tmp_path / "property.json"
        content = {"params": {"api_key": KEY, **params}, **(top or {})}
        path.write_text(json.dumps(content))
        return doctor(str(path), "--json", *arguments)

    return call
