"""What a hostile service says gets to the next node, and harms no reader."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from asr_call import Call, properties, run_call, spoken
from ten_runtime import AsyncTenEnv

from devkit.server import Faults, ServerThread

ORDERS = "\x1b[2J\x1b]0;title\x07\x9b31m\u202edrow\u2066\u2028"
KIND = "conversation.item.input_audio_transcription.completed"


def harm(text: str) -> list[str]:
    """What a terminal would obey in it; the breaks of lines apart."""
    return [
        char
        for char in text
        if char != "\n"
        and (
            unicodedata.category(char) in ("Cc", "Zl", "Zp")
            or unicodedata.bidirectional(char)
            in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        )
    ]


class Told:
    """A call with a turn and two errors, told by a hostile service."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        for level in ("debug", "info", "warn", "error"):
            self._spy(monkeypatch, f"log_{level}")
        path = folder / "call.pcm"
        audio, _ = spoken([[1, 2]])
        faults = Faults(never_completed=1)
        with ServerThread(engine="script", faults=faults) as server:

            async def script(call: Call) -> None:
                await call.send(audio)
                await server.until(
                    lambda: server.sessions and server.sessions[0].items
                )
                item = server.sessions[0].items[0].item_id
                words = dict.fromkeys(("type", "code", "param"), ORDERS)
                server.send(
                    {
                        "type": "error",
                        "error": {**words, "message": f"broken{ORDERS}"},
                    }
                )
                server.send({"type": "error", "error": words})
                server.send(
                    {
                        "type": KIND,
                        "item_id": item,
                        "transcript": f"said{ORDERS}",
                        "languages": [{"code": ORDERS}, {"code": "de"}],
                        "usage": {"type": ORDERS, ORDERS: 7, "seconds": 2},
                    }
                )
                await call.until_finalized("end")
                await call.until(lambda: len(call.errors) == 2)

            self.call = run_call(
                properties(
                    server.url,
                    dump=True,
                    dump_path=str(path),
                    log_level="DEBUG",
                    input_audio_transcription={"model": "gpt-transcribe"},
                    turn_detection={"type": "server_vad"},
                ),
                script,
            )
        self.lines = path.with_suffix(".jsonl").read_bytes().decode()

    def _spy(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        before = getattr(AsyncTenEnv, name)

        def log(
            env: AsyncTenEnv, message: str, *more: Any, **named: Any
        ) -> Any:
            self.log.append(message)
            return before(env, message, *more, **named)

        monkeypatch.setattr(AsyncTenEnv, name, log)


@pytest.fixture
def told(tmp_path, monkeypatch):
    return Told(tmp_path, monkeypatch)


def test_who_reads_what_a_hostile_service_said(told):
    call = told.call
    # The text of a result is what was said; who shows it looks to that.
    assert call.texts == [f"said{ORDERS}".strip()]
    # Everything else is ours.
    assert [r["language"] for r in call.finals] == ["de-DE"]
    first, second = (error["message"] for error in call.errors)
    assert first.startswith(r"broken\u001b[2J")
    assert second == "unspecified error"
    for name, body in call.messages:
        if name != "asr_result":
            assert harm(json.dumps(body, ensure_ascii=False)) == []
            assert harm("".join(_texts(body))) == []
    (metrics,) = [
        body["metrics"]["vendor_metrics"]["usage"]
        for name, body in call.messages
        if name == "metrics"
        and "usage" in body["metrics"].get("vendor_metrics", {})
    ]
    assert metrics == {"seconds": 2}
    assert any(r"\u001b[2J" in line for line in told.log)
    assert [line for line in told.log if harm(line)] == []


def test_the_session_log_can_be_printed_and_says_the_same(told):
    assert harm(told.lines) == []
    lines = [json.loads(line) for line in told.lines.split("\n") if line]
    (result,) = [line["result"] for line in lines if line["kind"] == "result"]
    assert result == told.call.results[0]
    said = [
        line["event"]["transcript"]
        for line in lines
        if line["kind"] == "received" and line["event"]["type"] == KIND
    ]
    assert f"said{ORDERS}" in said


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [t for pair in value.items() for v in pair for t in _texts(v)]
    if isinstance(value, list):
        return [text for entry in value for text in _texts(entry)]
    return [value] if isinstance(value, str) else []
