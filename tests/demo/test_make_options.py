"""The options of `make`: what was given reaches the program, as it is."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
#: Instead of Python and of the demo.  For the shell it is a program of two
#: lines, since the path of an interpreter after ``#!`` may have no blanks.
PROGRAM = f"""#!/bin/sh
''':'
exec {shlex.quote(sys.executable)} "$0" "$@"
'''
import json, os, sys
names = ("AUDIO", "NO_COLOR")
found = {{name: os.environ[name] for name in names if name in os.environ}}
print(json.dumps([sys.argv[1:], found]))
"""

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None, reason="make is not installed"
)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PROGRAM)
    python.chmod(0o755)
    for stamp in (".demo-ready", ".dev-ready"):
        (tmp_path / "venv" / stamp).touch()
    return tmp_path / "venv"


def make(venv: Path, *arguments: str, **environment: str) -> str:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "MAKEFLAGS", "MAKEOVERRIDES", "SEED")
    }
    return subprocess.run(
        ["make", "--no-print-directory", f"VENV={venv}", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


VALUES = [
    "$(shell touch {sign})",
    "${{shell touch {sign}}}",
    "$(eval X := $(shell touch {sign}))",
    "$(file >{sign})",
    "`touch {sign}`",
    "'; touch {sign}; '",
    '"; touch {sign}; "',
    "$$(touch {sign})",
    "a $HOME $(HOME) $@ $ b.wav",
    "two  blanks # and no remark ",
    "c:\\music\\",
    "a'b\"c,d)e(f.mp3",
    "-n",
]


@pytest.mark.parametrize("where", ["command line", "environment"])
@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_no_program(venv, tmp_path, value, where):
    value = value.format(sign=tmp_path / "sign")
    given = where == "command line"
    for dry in ((), ("-n",)):
        out = make(
            venv,
            *dry,
            "demo",
            *([f"AUDIO={value}"] if given else []),
            **({} if given else {"AUDIO": value}),
        )
        assert not (tmp_path / "sign").exists()
        if not dry:
            arguments, found = json.loads(out)
            assert arguments == ["-m", "devkit.demo", "--audio", value]
            assert found["AUDIO"] == value


def test_options_that_are_not_given_are_left_out(venv):
    arguments, found = json.loads(make(venv, "demo"))
    assert arguments == ["-m", "devkit.demo"]
    assert not any(found.values())
    arguments, found = json.loads(make(venv, "demo", NO_COLOR="1"))
    assert arguments == ["-m", "devkit.demo", "--no-color"]
    assert found["NO_COLOR"] == "1"


@pytest.mark.parametrize(
    ("goal", "option"),
    [
        ("mutate", "COUNT"),
        ("extension-soak", "RUNS"),
        ("server", "DIALECT"),
        ("captions", "KEEP"),
    ],
)
def test_the_other_goals_are_alike(venv, tmp_path, goal, option):
    value = f"$(shell touch {tmp_path / 'sign'})"
    arguments, _ = json.loads(make(venv, goal, f"{option}={value}"))
    assert arguments[-2:] == [f"--{option.lower()}", value]
    assert not (tmp_path / "sign").exists()


def test_the_server_has_a_port_and_takes_any_option(venv):
    arguments, _ = json.loads(make(venv, "server"))
    assert arguments == ["-m", "devkit.server", "--port", "8090"]
    arguments, _ = json.loads(
        make(venv, "server", "PORT=0", "ARGS=--fault failed=p:0.1 --azure")
    )
    assert arguments[-4:] == ["0", "--fault", "failed=p:0.1", "--azure"]
