"""docs/ten_agent.md: its nodes load, and run as TEN's examples run them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agent_app import ROOT, rtc_graph, run_app, telephone_graph, write_app
from asr_call import Call, run_call, spoken, text_of
from shown_nodes import KEY, blocks_of, directed_to
from ten_packages.extension.openai_asr_python.audio.g711 import decode, encode
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)

from devkit.matrix.known_speech import (
    KnownSpeechEngine,
    KnownSpeechStream,
    call_audio,
    call_words,
    timed_words_in,
)
from devkit.server import ServerThread
from devkit.server.script_engine import ScriptEngine

PAGE = ROOT / "docs" / "ten_agent.md"
DEPENDENCY, *NODES = blocks_of(PAGE)
ASSISTANT, DOODLER, TELEPHONE = NODES
RATE = 8000
#: Windows of the local detector are 32 ms, and a word's last one may be half
#: silence.
TOLERANCE_MS = 64

_ROW = re.compile(r"^\| `(\".*?)`(.*?) \| (.*) \|$", re.MULTILINE)
ROWS = _ROW.findall(PAGE.read_text(encoding="utf-8"))
#: Rows that say what holds without them.
DEFAULTS = {
    '"turn_detection": {"enabled": true}',
    '"turn_detection": {"create_response": false}',
    '"turn_detection": {"interrupt_response": false}',
}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The node's property with its placeholder as TEN fills it in."""
    text = json.dumps(node["property"])
    property_ = json.loads(text.replace("${env:OPENAI_API_KEY}", KEY))
    assert isinstance(property_, dict)
    return property_


def over_the_line(audio: np.ndarray) -> np.ndarray:
    """What the examples make of a provider's µ-law: 16 bits a sample."""
    return decode(encode(audio, "ulaw"), "ulaw")


# -- the nodes -----------------------------------------------------------------


@pytest.mark.parametrize("node", NODES, ids=["assistant", "doodler", "phone"])
def test_a_node_stands_where_stt_stood_and_gets_no_warning(node):
    assert (node["name"], node["extension_group"]) == ("stt", "stt")
    _, warnings = load_config(resolved(node))
    assert warnings == []


@pytest.mark.standin("runs devkit.host, the stand-in's own")
def test_the_app_with_its_manifest_and_the_three_graphs_is_valid(tmp_path):
    graphs = {
        "assistant": rtc_graph(ASSISTANT),
        "doodler": rtc_graph(DOODLER),
        "telephone": telephone_graph(TELEPHONE),
    }
    done = run_app(write_app(tmp_path, graphs, DEPENDENCY), "--check")
    assert (done.stderr, done.returncode) == ("", 0)
    # Nor does the extension itself mind anything in its three nodes.
    assert done.stdout.count("stt: gpt-live-transcribe at ") == len(graphs)
    assert "warning" not in done.stdout
    assert done.stdout.endswith(
        "\nnothing is wrong; make doctor looks at key and network\n"
    )


def test_doodlers_own_node_is_taken():
    flat = {"api_key": KEY, "model": "whisper-1", "language": "en"}
    config, _ = load_config(flat)
    request = config.input_audio_transcription
    assert (request.model, request.language) == ("whisper-1", "en")


def test_there_are_rows_of_each_kind():
    said = [here.split()[0].strip(":,") for _, _, here in ROWS]
    assert {"as", "refused", "taken"} == set(said)
    assert len(said) == PAGE.read_text(encoding="utf-8").count('\n| `"')


@pytest.mark.parametrize(
    ("written", "here"),
    [pytest.param(row[0], row[2], id=row[0]) for row in ROWS],
)
def test_what_becomes_of_a_key_of_tens_own_is_as_the_table_says(written, here):
    params = {"api_key": KEY, **json.loads(f"{{{written}}}")}
    if not here.startswith("refused: "):
        config, warnings = load_config({"params": params})
        assert bool(warnings) >= ("with a warning" in here)
        default, _ = load_config({"api_key": KEY})
        assert (config.shown() == default.shown()) == (written in DEFAULTS)
        return
    _, message, *_ = here.split("`")
    with pytest.raises(ConfigError) as refusal:
        load_config({"params": params})
    assert str(refusal.value).startswith(message)


# -- a telephone call ----------------------------------------------------------


def check_times(finals: list[dict[str, Any]]) -> None:
    """Each sentence begins and ends where it was spoken, at its true time."""
    words = timed_words_in(call_audio(RATE), RATE)
    for final, name in zip(finals, ("one", "two"), strict=True):
        own = [word for word in words if word.text.startswith(name)]
        first, last = own[0].start * 1000 // RATE, own[-1].end * 1000 // RATE
        stop = final["start_ms"] + final["duration_ms"]
        # A sentence may have a soft syllable before and after its words.
        assert first - 150 - TOLERANCE_MS <= final["start_ms"] <= first
        assert last <= stop <= last + 150 + TOLERANCE_MS


def test_a_call_over_the_telephone_gets_every_word_at_its_time():
    async def script(call: Call) -> None:
        call.session_id = "54321"
        line = over_the_line(call_audio(RATE))
        await call.send(line, RATE, frame_ms=20)
        # Nobody sends asr_finalize there.
        await call.until_finals(2)

    with ServerThread(KnownSpeechEngine()) as server:
        call = run_call(directed_to(server.url, resolved(TELEPHONE)), script)
    assert " ".join(call.texts).split() == call_words()
    assert call.errors == []
    check_times(call.finals)
    # All that the agent reads.
    for result in call.results:
        assert isinstance(result["text"], str)
        assert isinstance(result["final"], bool)
        assert result["metadata"]["session_id"] == "54321"


def test_many_words_over_the_telephone_arrive_exactly(server):
    turns = [[10 * turn + word for word in range(4)] for turn in range(1, 11)]
    audio, times = spoken(turns, RATE)

    async def script(call: Call) -> None:
        line, begin = over_the_line(audio), 0
        for turn, (_, end) in enumerate(times):
            stop = (end + 100) * RATE // 1000
            await call.send(line[begin:stop], RATE, frame_ms=20)
            await call.until_finalized(f"turn {turn}")
            begin = stop

    node = directed_to(server.url, resolved(TELEPHONE))
    # Tones are no speech for the local detector.
    node["params"]["turn_detection"] = {"type": "none"}
    call = run_call(node, script)
    assert call.texts == text_of(*turns)
    for final, (start, end) in zip(call.finals, times, strict=True):
        assert abs(final["start_ms"] - start) <= 20
        assert abs(final["start_ms"] + final["duration_ms"] - end) <= 20


class Ear(ScriptEngine):
    """Keeps what the service hears."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    def stream(self, rate):
        assert rate == RATE
        return self

    async def feed(self, samples):
        self.heard.append(samples.copy())
        return ""

    async def finish(self):
        return "heard"

    def abandon(self):
        pass


def test_the_service_hears_the_very_samples_of_the_line():
    codes = np.random.default_rng(5).integers(0, 256, RATE, dtype=np.uint8)
    line, ear = decode(codes, "ulaw"), Ear()

    async def script(call: Call) -> None:
        await call.send(line, RATE, frame_ms=20)
        await call.until_finalized("end")

    with ServerThread(ear) as server:
        node = directed_to(server.url, resolved(TELEPHONE))
        node["params"]["turn_detection"] = {"type": "none"}
        call = run_call(node, script)
    assert call.texts == ["heard"]
    assert np.array_equal(np.concatenate(ear.heard), line)


class PatientEngine(KnownSpeechEngine):
    """Ends no turn before `heard` is set: what it said until then came to
    somebody."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def stream(self, rate):
        return PatientStream(rate, self.heard)


class PatientStream(KnownSpeechStream):
    def __init__(self, rate, heard):
        super().__init__(rate)
        self._heard = heard

    async def finish(self):
        await asyncio.to_thread(self._heard.wait, 60)
        return await super().finish()


@pytest.mark.standin("runs devkit.host, the stand-in's own")
def test_the_telephone_node_in_its_graph(tmp_path: Path):
    engine = PatientEngine()
    with ServerThread(engine) as server:
        stt = {
            **TELEPHONE,
            "property": directed_to(server.url, TELEPHONE["property"]),
        }
        graphs = {"voice_assistant": telephone_graph(stt)}
        app = write_app(tmp_path, graphs, DEPENDENCY)
        line = over_the_line(call_audio(RATE))
        (app / "call.pcm").write_bytes(line.tobytes())
        done = run_app(app, on_line=lambda line: engine.heard.set())
    assert done.returncode == 0, done.stderr
    said = [json.loads(row) for row in done.stdout.splitlines()]
    assert {name for name, _ in said} == {"asr_result"}
    results = [content for _, content in said]
    assert {int(r["metadata"]["session_id"]) for r in results} == {54321}
    finals = [result for result in results if result["final"]]
    texts = " ".join(final["text"] for final in finals)
    assert texts.split() == call_words()
    check_times(finals)
    # It says something before a turn is over.
    assert not results[0]["final"]
    interims = [result for result in results if not result["final"]]
    said_at_last = {final["id"]: final["text"] for final in finals}
    for interim in interims:
        assert said_at_last[interim["id"]].startswith(interim["text"])
