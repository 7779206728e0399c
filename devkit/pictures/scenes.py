"""What the pictures show, as it happens: each scene returns SVG."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .terminal import SceneError, Terminal

ROOT = Path(__file__).resolve().parents[2]
_SERVER = re.compile(r"127\.0\.0\.1:(\d+)\S* \(local, pid (\d+)\)")
#: How long nobody listens, in seconds.
_AWAY_S = 3.0


def demo() -> str:
    """`make demo`, whose server is killed in the middle of a sentence."""
    here = os.path.relpath(sys.executable, ROOT)
    with Terminal([here, "-m", "devkit.demo"], ROOT) as terminal:
        # While the third one is being said.
        terminal.until(lambda text: "▸" in text.partition("[00:04")[2])
        found = _SERVER.search(terminal.text)
        if found is None:
            raise SceneError(f"no server is named:\n{terminal.text}")
        port, pid = found.groups()
        os.kill(int(pid), signal.SIGKILL)
        time.sleep(_AWAY_S)
        again = subprocess.Popen(
            [here, "-m", "devkit.server", "--port", port],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            status = terminal.finish()
        finally:
            again.terminate()
            again.wait()
        if status:
            raise SceneError(f"exit status {status}:\n{terminal.text}")
        return terminal.picture("make demo")


def doctor() -> str:
    """`make doctor` with a key that the server does not take."""
    here = os.path.relpath(sys.executable, ROOT)
    with Terminal(
        [here, "-m", "devkit.server", "--key", "sk-local"], ROOT
    ) as server:
        server.until(lambda text: "listening on" in text)
        url = server.text.split()[-1]
        with Terminal(
            [here, "-m", "devkit.doctor", "examples/live_captions"],
            ROOT,
            LIVE_CAPTIONS_SERVER=url,
            OPENAI_API_KEY="sk-wrong",
        ) as terminal:
            if terminal.finish() != 1:
                raise SceneError(f"nothing failed:\n{terminal.text}")
            return terminal.picture("make doctor CONFIG=examples/live_captions")


SCENES: Mapping[str, Callable[[], str]] = {"demo": demo, "doctor": doctor}
