"""What a host's end in the middle of what is said delivers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from devkit.bootstrap import ensure_ten
from devkit.script_audio import word_text
from devkit.server import ServerThread

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = list(range(1, 7))

#: What runs an app directory.
HOST = "devkit.demo.on_ten" if ensure_ten() == "real" else "devkit.host"

ADDON = """
from ten_runtime import Addon, register_addon_as_extension
from .extension import Caller

@register_addon_as_extension("caller")
class CallerAddon(Addon):
    def on_create_instance(self, ten_env, name, context):
        ten_env.on_create_instance_done(Caller(name), context)
"""
#: All extensions of a graph stop at the same time.  Who wants the last words
#: goes on until they, or the report of what is lost, have come.
CALLER = """
import asyncio
import json
from ten_runtime import AsyncExtension
from devkit.calls import pcm_frame
from devkit.script_audio import speak

RATE = 16000

class Caller(AsyncExtension):
    async def on_init(self, ten_env):
        self._over = asyncio.Event()

    async def on_start(self, ten_env):
        words = json.loads((await ten_env.get_property_to_json("words"))[0])
        # Nothing comes after the last word: the turn is open.
        audio, spoken = speak([words], RATE, 0)
        data = audio[: spoken[-1][2]].tobytes()
        for at in range(0, len(data), RATE // 100 * 2):
            frame = pcm_frame(data[at : at + RATE // 100 * 2], RATE)
            await ten_env.send_audio_frame(frame)
        print("said", len(data) * 1000 // (2 * RATE), flush=True)

    async def on_data(self, ten_env, data):
        content = json.loads(data.get_property_to_json("")[0])
        if data.get_name() == "error":
            print("error", content["vendor_info"]["code"], flush=True)
        elif content["final"]:
            print("final", content["text"], flush=True)
        else:
            return
        self._over.set()

    async def on_stop(self, ten_env):
        await asyncio.wait_for(self._over.wait(), 60)
"""


def _write(path: Path, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _app(directory: Path, url: str, **limits: int) -> Path:
    """An app in which somebody calls this extension."""
    caller = directory / "ten_packages" / "extension" / "caller"
    manifest = {"type": "extension", "name": "caller", "version": "0.1.0"}
    _write(caller / "manifest.json", manifest)
    _write(caller / "property.json", {})
    _write(caller / "__init__.py", "from . import addon\n")
    _write(caller / "addon.py", ADDON)
    _write(caller / "extension.py", CALLER)
    app = {"type": "app", "name": "calls", "version": "0.1.0"}
    here = {"path": os.path.relpath(ROOT, directory)}
    _write(directory / "manifest.json", {**app, "dependencies": [here]})
    asr = {
        **limits,
        "params": {
            "api_key": "sk-test-0123456789",
            "base_url": url,
            "input_audio_transcription": {"model": "gpt-4o-transcribe"},
        },
    }
    nodes = [
        _node("caller", "caller", {"words": WORDS}),
        _node("asr", "openai_asr_python", asr),
    ]
    frames = {"name": "pcm_frame", "dest": [{"extension": "asr"}]}
    back = [
        {"name": name, "dest": [{"extension": "caller"}]}
        for name in ("asr_result", "error")
    ]
    connections = [
        {"extension": "caller", "audio_frame": [frames]},
        {"extension": "asr", "data": back},
    ]
    graph = {"nodes": nodes, "connections": connections}
    entry = {"name": "main", "auto_start": True, "graph": graph}
    ten = {"predefined_graphs": [entry]}
    _write(directory / "property.json", {"ten": ten})
    return directory


def _node(name: str, addon: str, properties: Any) -> dict[str, Any]:
    node = {"type": "extension", "name": name, "addon": addon}
    return {**node, "property": properties}


def _stop_while_speaking(
    directory: Path, **limits: int
) -> tuple[list[str], int]:
    """What came after SIGTERM in an open turn, and the exit status."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with ServerThread(engine="script") as server:
        app = _app(directory / "calls", server.url, **limits)
        with subprocess.Popen(
            [sys.executable, "-m", HOST, str(app)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            # TEN prints lines of its own.
            said = next(text for text in process.stdout if "said" in text)
            heard = int(said.split()[1]) - 200
            server.wait_for(
                lambda: any(s.audio_ms > heard for s in server.sessions), 60
            )
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=120)
    kinds = ("final ", "error ")
    came = [text for text in out.splitlines() if text.startswith(kinds)]
    return came, process.returncode


def test_sigterm_delivers_what_was_said(tmp_path: Path) -> None:
    """As a pod ends, and a worker of TEN's server."""
    text = " ".join(word_text(word) for word in WORDS)
    assert _stop_while_speaking(tmp_path) == ([f"final {text}"], 0)


def test_what_is_not_waited_for_is_reported(tmp_path: Path) -> None:
    came = _stop_while_speaking(tmp_path, stop_timeout_ms=0)
    # TEN gives an app's process no status for it.
    status = int(HOST == "devkit.host")
    assert came == (["error audio_dropped"], status)
