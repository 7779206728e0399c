"""Python, packages, runtime."""

from __future__ import annotations

import ast
import sys
from importlib import metadata
from pathlib import Path

import pytest

from devkit.doctor import machine

ROOT = Path(__file__).resolve().parents[2]


def versions(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    true = metadata.version

    def version(name: str) -> str:
        found = changes.get(name.replace("-", "_"), true(name))
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)


def test_every_requirement_is_looked_at():
    text = (ROOT / "requirements.txt").read_text().split()
    assert [
        f"{one.name}>={one.low},<{one.high}" for one in machine.requirements()
    ] == text


def test_all_is_well_here():
    assert machine.check_python().status == "ok"
    checks = {check.name: check for check in machine.check_packages()}
    assert checks["packages"].status == "ok"
    assert "numpy" in checks["packages"].data["versions"]
    assert machine.check_runtime().status == "ok"


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    check = machine.check_python()
    assert check.status == "failed"
    assert "3.10" in check.next


def test_an_old_python_can_read_what_says_so():
    for name in ("__main__", "checks", "machine", "view"):
        source = (ROOT / "devkit" / "doctor" / f"{name}.py").read_text()
        ast.parse(source, feature_version=(3, 8))


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "is not installed"),
        ("", "is not installed"),
        ("15.9", "15.9 is installed"),
        ("18.0", "18.0 is installed"),
        ("odd", "odd is installed"),
    ],
)
def test_a_package_that_will_not_do(version, said, monkeypatch):
    versions(monkeypatch, websockets=version)
    checks = {check.name: check for check in machine.check_packages()}
    found = checks["websockets"]
    assert found.status == "failed"
    assert said in found.summary
    assert "pip install 'websockets>=16.0,<18'" in found.next
    assert checks["packages"].summary.startswith("9 ")


@pytest.mark.parametrize("version", ["16", "16.0.1", "17.9.9", "17.0.post1"])
def test_a_package_that_does(version, monkeypatch):
    versions(monkeypatch, websockets=version)
    assert "websockets" not in [c.name for c in machine.check_packages()]


def test_there_is_no_wheel_for_musl(monkeypatch):
    versions(monkeypatch, onnxruntime=None, moonshine_voice=None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    checks = {check.name: check for check in machine.check_packages()}
    assert "no wheel of onnxruntime for musl" in checks["onnxruntime"].next
    assert checks["onnxruntime"].status == "warning"
    assert "Only the local detector needs it" in checks["onnxruntime"].summary
    assert checks["recogniser"].status == "skipped"
    assert "--engine script" in checks["recogniser"].next


@pytest.mark.parametrize(
    ("version", "step"), [("2.33", "no wheel"), ("2.34", "pip install -r")]
)
def test_the_recogniser_wants_a_new_glibc(version, step, monkeypatch):
    versions(monkeypatch, moonshine_voice=None)
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", version))
    checks = {check.name: check for check in machine.check_packages()}
    assert step in checks["recogniser"].next


def test_the_runtime(monkeypatch):
    monkeypatch.setattr(machine, "runtime_is_importable", lambda: True)
    assert machine.check_runtime().data == {"runtime": "ten"}
    monkeypatch.setattr(machine, "runtime_is_importable", lambda: False)
    assert machine.check_runtime().data == {"runtime": "standin"}
