"""The README's graph runs, and what it shows of messages is what comes."""

from __future__ import annotations

from typing import Any

from agent_app import run_app, write_app
from asr_call import ADDON, Call, run_call, spoken
from shown_nodes import blocks_of
from test_readme_locales import path_of

from devkit.server import ServerThread

README = path_of("en-US")
IDLE = """
from ten_runtime import AsyncExtension as Ext
"""


def shown(*keys: str) -> list[dict[str, Any]]:
    """The objects with these keys, in the README's blocks."""
    found = []
    for block in blocks_of(README):
        for entry in block if isinstance(block, list) else [block]:
            if set(keys) <= entry.keys():
                found.append(entry)
    return found


def test_the_graph_is_one(tmp_path):
    (graph,) = shown("nodes", "connections")
    ours = [node for node in graph["nodes"] if node["addon"] == ADDON]
    others = [n["addon"] for n in graph["nodes"] if n["addon"] != ADDON]
    assert len(ours) == 1
    link = {"path": "../../../ten_packages/extension/openai_asr_python"}
    app = write_app(
        tmp_path, {"main": graph}, link, dict.fromkeys(others, IDLE)
    )
    done = run_app(app, "--check")
    assert (done.stderr, done.returncode) == ("", 0)
    assert "graph main: 3 nodes, 8 connections" in done.stdout
    assert "warning" not in done.stdout


def shape(message: Any) -> Any:
    """Names and types, at any depth."""
    if isinstance(message, dict):
        return {name: shape(value) for name, value in message.items()}
    return [] if isinstance(message, list) else type(message)


def test_messages_look_as_shown():
    audio, _ = spoken([[1, 2, 3]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("a")
        server.drop_connections(abort=True)
        await call.until(lambda: call.errors)

    config = {"params": {"api_key": "sk-test-0123456789"}}
    config["params"]["model"] = "gpt-4o-transcribe"
    with ServerThread() as server:
        config["params"]["base_url"] = server.url
        call = run_call(config, script)
    interim, final = shown("text", "final")
    assert (interim["final"], final["final"]) == (False, True)
    assert interim["id"] == final["id"]
    assert final["text"].startswith(interim["text"])
    for result in (interim, final):
        assert shape(result) == shape(call.results[-1])
    (error,) = shown("code", "message")
    assert shape(error) == shape(call.errors[0])
    (metric,) = shown("metrics")
    real = [m for m in call.of("metrics") if "ttlw" in m["metrics"]]
    assert shape(metric) == shape(real[0])
