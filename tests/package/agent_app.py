"""An app connected as TEN's voice examples are, with a caller of ours in it.

The folders are TEN's as well: the package stands in
``ai_agents/agents/ten_packages/extension``, the app three folders beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shown_nodes import KEY

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = "ten_packages/extension"

_ADDON = """
from ten_runtime import Addon, register_addon_as_extension
from .extension import Ext

@register_addon_as_extension("{name}")
class TheAddon(Addon):
    def on_create_instance(self, ten_env, name, context):
        ten_env.on_create_instance_done(Ext(name), context)
"""
#: Says on frames who speaks, as results are to say it.
_ADAPTER = """
import json
from ten_runtime import AsyncExtension

class Ext(AsyncExtension):
    async def on_audio_frame(self, ten_env, frame):
        stream, _ = frame.get_property_int("stream_id")
        metadata = json.dumps({"session_id": str(stream)})
        frame.set_property_from_json("metadata", metadata)
        await ten_env.send_audio_frame(frame)
"""
#: Plays call.pcm (8 kHz) in packets of 20 ms, prints what it is told, and ends
#: the app after so many finals.
_MAIN = """
import asyncio, json
from pathlib import Path
from ten_runtime import AsyncExtension, Cmd, Loc
from devkit.calls import pcm_frame

class Ext(AsyncExtension):
    async def on_start(self, ten_env):
        audio = Path("call.pcm").read_bytes()
        for start in range(0, len(audio), 320):
            frame = pcm_frame(audio[start:start + 320], 8000)
            frame.set_property_int("stream_id", 54321)
            frame.set_dests([Loc("", "", "streamid_adapter")])
            await ten_env.send_audio_frame(frame)
            await asyncio.sleep(0)
        self.finals = 0

    async def on_data(self, ten_env, data):
        text, _ = data.get_property_to_json(None)
        print(json.dumps([data.get_name(), json.loads(text)]), flush=True)
        self.finals += json.loads(text).get("final", False)
        if self.finals == 2:
            cmd = Cmd.create("ten:close_app")
            cmd.set_dests([Loc("")])
            await ten_env.send_cmd(cmd)
"""
_IDLE = """
from ten_runtime import AsyncExtension as Ext
"""


_OTHERS = {
    "agora_rtc": _IDLE,
    "streamid_adapter": _ADAPTER,
    "main_python": _MAIN,
}


def write_app(
    parent: Path,
    graphs: dict[str, Any],
    dependency: dict[str, str],
    others: Mapping[str, str] = _OTHERS,
) -> Path:
    """The app's directory; ``dependency`` is its line for our package,
    ``others`` are the code of its other ones."""
    agents = parent / "ai_agents" / "agents"
    app = agents / "examples" / "an-example" / "tenapp"
    (agents / _PACKAGES).mkdir(parents=True)
    (agents / _PACKAGES / "openai_asr_python").symlink_to(ROOT)
    for name, code in others.items():
        _write_package(app / _PACKAGES / name, name, code)
    # tman makes this link of the dependency.
    link = app / _PACKAGES / "openai_asr_python"
    link.symlink_to(agents / _PACKAGES / "openai_asr_python")
    _write(
        app / "manifest.json",
        {
            "type": "app",
            "name": "agent_demo",
            "version": "0.1.0",
            "dependencies": [dependency],
        },
    )
    entries = [
        {"name": name, "auto_start": True, "graph": graph}
        for name, graph in graphs.items()
    ]
    _write(app / "property.json", {"ten": {"predefined_graphs": entries}})
    return app


def rtc_graph(stt: dict[str, Any]) -> dict[str, Any]:
    """As voice-assistant and doodler: the agent names its sources."""
    return {
        "nodes": [stt, *_nodes("agora_rtc", "streamid_adapter"), *_MAIN_NODE],
        "connections": [
            {
                "extension": "main_control",
                "data": [_line("asr_result", "source", "stt")],
            },
            {
                "extension": "agora_rtc",
                "audio_frame": [_line("pcm_frame", "dest", "streamid_adapter")],
            },
            _TO_STT,
        ],
    }


def telephone_graph(stt: dict[str, Any]) -> dict[str, Any]:
    """As those with SIP: the agent is where the caller's audio comes from."""
    return {
        "nodes": [stt, *_nodes("streamid_adapter"), *_MAIN_NODE],
        "connections": [
            _TO_STT,
            {
                "extension": "stt",
                "data": [_line("asr_result", "dest", "main_control")],
            },
            {
                "extension": "main_control",
                "audio_frame": [_line("pcm_frame", "dest", "streamid_adapter")],
            },
        ],
    }


def run_app(
    app: Path,
    *options: str,
    on_line: Callable[[str], None] = lambda line: None,
) -> subprocess.CompletedProcess[str]:
    """``python -m devkit.host``, with a key in the environment.  ``on_line``
    is given each line of its output as it is there."""
    call = [sys.executable, "-m", "devkit.host", str(app), *options]
    lines = []
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            call,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            on_line(line)
        status = process.wait()
        watchdog.cancel()
        errors.seek(0)
        told = errors.read()
    return subprocess.CompletedProcess(call, status, "".join(lines), told)


def _line(name: str, way: str, extension: str) -> dict[str, Any]:
    return {"name": name, way: [{"extension": extension}]}


def _nodes(*names: str) -> list[dict[str, Any]]:
    return [{"type": "extension", "name": n, "addon": n} for n in names]


_MAIN_NODE = [
    {"type": "extension", "name": "main_control", "addon": "main_python"}
]
_TO_STT = {
    "extension": "streamid_adapter",
    "audio_frame": [_line("pcm_frame", "dest", "stt")],
}


def _write_package(directory: Path, name: str, code: str) -> None:
    directory.mkdir(parents=True)
    manifest = {"type": "extension", "name": name, "version": "0.1.0"}
    _write(directory / "manifest.json", manifest)
    (directory / "__init__.py").write_text("from . import addon\n")
    (directory / "addon.py").write_text(_ADDON.format(name=name))
    (directory / "extension.py").write_text(code)


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
