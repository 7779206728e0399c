"""Which node is meant, whether its properties hold, and where each value comes
from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from devkit.doctor.source import find_node
from devkit.usage import UsageError

pytestmark = pytest.mark.standin("the doctor brings its own")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "live_captions"


def node(name: str = "stt", addon: str = "openai_asr_python") -> dict[str, Any]:
    return {
        "type": "extension",
        "name": name,
        "addon": addon,
        "property": {"params": {"api_key": f"sk-of-{name}-0123"}},
    }


def app(**graphs: Any) -> dict[str, Any]:
    listed = [
        {"name": name, "graph": {"nodes": nodes}}
        for name, nodes in graphs.items()
    ]
    return {"ten": {"predefined_graphs": listed}}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def call(content: Any) -> str:
        path = tmp_path / "property.json"
        path.write_text(json.dumps(content))
        return str(path)

    return call


# -- which node ---------------------------------------------------------------


def test_the_only_node_is_found(write):
    path = write(app(one=[node("other", "someone"), node("ears")]))
    found = find_node(path)
    assert found.name == "ears"
    assert found.properties == node("ears")["property"]
    assert "graph one, node ears" in found.where
    assert find_node(str(Path(path).parent)).name == "ears"


def test_several_nodes_are_listed(write):
    path = write(app(one=[node("a"), node("b")], two=[node("a")]))
    with pytest.raises(UsageError) as caught:
        find_node(path)
    told = str(caught.value)
    for listed in ("--graph one --node a", "--graph one --node b"):
        assert listed in told
    assert "--graph two --node a" in told
    assert find_node(path, "two").name == "a"
    assert find_node(path, node="b").name == "b"
    assert find_node(path, "one", "a").where.endswith("graph one, node a")
    with pytest.raises(UsageError, match="--graph one --node b"):
        find_node(path, "one")


@pytest.mark.parametrize(
    ("graph", "name", "said"),
    [
        ("three", "", "has no three; it has: one"),
        ("", "z", "no node z has the addon"),
        ("one", "other", "there are: --graph one --node a"),
    ],
)
def test_what_is_not_there(graph, name, said, write):
    path = write(app(one=[node("a"), node("other", "someone")]))
    with pytest.raises(UsageError, match=said):
        find_node(path, graph, name)


def test_a_graph_without_a_node_of_ours(write):
    path = write(app(one=[node("x", "deepgram")]))
    with pytest.raises(UsageError, match="there are: deepgram"):
        find_node(path)


def test_a_graph_in_a_file_of_its_own(write, tmp_path):
    (tmp_path / "g.json").write_text(json.dumps({"nodes": [node("far")]}))
    entry = {"name": "one", "graph": {"import_uri": "g.json"}}
    path = write({"ten": {"predefined_graphs": [entry]}})
    assert find_node(path).name == "far"
    assert find_node(str(tmp_path / "g.json")).name == "far"


def test_a_node_by_itself_and_its_property(write):
    assert find_node(write(node())).properties == node()["property"]
    assert find_node(write({"params": {}})).properties == {"params": {}}


def test_the_package_of_the_app_has_the_defaults(write, tmp_path):
    path = write(app(one=[node()]))
    own = tmp_path / "ten_packages/extension/openai_asr_python"
    own.mkdir(parents=True)
    (own / "property.json").write_text('{"log_level": "DEBUG"}')
    assert find_node(path).base == {"log_level": "DEBUG"}


def test_an_app_is_checked_as_a_whole(doctor, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    outcome = doctor(str(EXAMPLE), "--json", "--offline")
    assert outcome.status == 0
    graph = outcome.found("graph")
    assert graph["status"] == "ok"
    assert graph["data"] == {
        "pcm_frame_from": ["source"],
        "asr_result_to": ["captions"],
    }


def test_a_node_that_gets_no_audio(doctor, write):
    outcome = doctor(write(app(one=[node()])), "--json", "--offline")
    graph = outcome.found("graph")
    assert graph["status"] == "warning"
    assert "pcm_frame to stt" in graph["summary"]
    assert "asr_result of stt" in graph["summary"]


# -- placeholders -------------------------------------------------------------


def test_each_variable_that_is_missing_is_named(doctor, write, monkeypatch):
    monkeypatch.setenv("HAVE_IT", "sk-test-0123456789")
    path = write(
        {
            "api_key": "${env:HAVE_IT}",
            "params": {
                "model": "${env:NO_MODEL}",
                "language": "${env:NO_LANGUAGE|en}",
                "fallbacks": [{"base_url": "${env:NO_URL}"}],
                "headers": {"X-Other": "${secret:NAME}"},
            },
        }
    )
    outcome = doctor(path, "--json", "--offline")
    assert outcome.status == 1
    model = outcome.found("params.model")
    assert model["status"] == "failed"
    assert model["next"] == "export NO_MODEL=…"
    assert outcome.found("params.fallbacks[0].base_url")["next"] == (
        "export NO_URL=…"
    )
    assert "scope" in outcome.found("params.headers.X-Other")["summary"]
    failed = [c for c in outcome.report["checks"] if c["status"] == "failed"]
    assert len(failed) == 3


def test_a_variable_as_a_shell_has_it(examine):
    outcome = examine("--offline", api_key="$OPENAI_API_KEY")
    found = outcome.found("params.api_key")
    assert found["next"] == "write ${env:OPENAI_API_KEY}"


@pytest.mark.parametrize(
    "form", ["${env:%s}", "${env:%s|}", "${env:%s|gpt-4o}", "${%s}", "$%s"]
)
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("OPENAI_API_KEY_OF_THE_SECOND_TENANT", True),
        ("my_key2", True),
        ("zq7SecretKeyValue20xY91mmpL", False),
        ("abcdefghijKLMNOPqrstuvWX", False),
        ("a7f3c1d9e5b2a8f4c6d0e9b1a2c3d4e5", False),
    ],
)
def test_a_key_in_place_of_a_name_is_not_shown(
    doctor, write, monkeypatch, form, name, shown
):
    monkeypatch.delenv(name, raising=False)
    path = write({"api_key": "sk-test", "params": {"model": form % name}})
    for options in ((), ("--json",), ("--verbose",)):
        outcome = doctor(path, "--offline", *options)
        said = f"{outcome.out}{outcome.err}"
        assert said
        assert (name in said) <= shown


def test_null_is_nothing_that_ten_takes(examine):
    outcome = examine("--offline", language=None)
    assert "null" in outcome.found("params.language")["summary"]


# -- fields -------------------------------------------------------------------


def test_each_field_has_its_value_and_its_origin(doctor, write, monkeypatch):
    monkeypatch.setenv("WHICH", "gpt-transcribe")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    path = write(
        {
            "log_level": "warning",
            "language": "de",
            "params": {
                "model": "${env:WHICH}",
                "url": "${env:NO_SUCH|https://eu.api.openai.com/v1}",
                "turn_detection": {"silence_duration_ms": "700"},
                "input_audio_noise_reduction": {"type": "far_field"},
                "fallbacks": [{"model": "whisper-1", "api_key": "sk-012345"}],
                "headers": {"X-Other": "hidden-0123"},
            },
        }
    )
    outcome = doctor(path, "--json", "--offline")
    assert outcome.status == 0
    listed = outcome.found("properties")["data"]["fields"]
    fields = {f["field"]: (f["value"], f["from"]) for f in listed}
    section = "input_audio_transcription"
    assert fields["log_level"] == ("WARN", "top level")
    assert fields[f"{section}.language"] == ("de", "language")
    assert fields[f"{section}.model"] == (
        "gpt-transcribe",
        "params.model, environment WHICH",
    )
    assert fields["websocket_base_url"] == (
        "https://eu.api.openai.com/v1",
        "params.url, default of ${env:NO_SUCH|…}",
    )
    assert fields["turn_detection.silence_duration_ms"] == (700, "params")
    assert fields["turn_detection.type"] == ("local", "default")
    assert fields["gap_timeout_ms"] == (1700, "default")
    assert fields["input_audio_noise_reduction.type"] == (
        "far_field",
        "params",
    )
    assert fields["fallbacks[0].model"] == ("whisper-1", "params")
    assert fields["fallbacks[0].api_key"] == ("***", "params")
    assert fields["max_buffer_ms"] == (120_000, "default")
    assert fields["auto_connect"] == (True, "default")
    value, origin = fields["api_key"]
    assert value == "***"
    assert origin == "the package's property.json, environment OPENAI_API_KEY"
    assert "hidden-0123" not in outcome.out


def test_defaults_are_folded_unless_asked_for(doctor, write):
    path = write({"api_key": "sk-test-0123456789", "channels": 2})
    short = doctor(path, "--offline").out
    assert "channels = 2 (top level)" in short
    assert "other fields have their defaults" in short
    assert "max_buffer_ms" not in short
    for option in ("--verbose", "--all"):
        assert (
            "max_buffer_ms = 120000 (default)"
            in doctor(path, "--offline", option).out
        )


def test_a_wrong_value_is_one_line_that_names_it(examine):
    outcome = examine("--offline", channels="many")
    found = outcome.found("properties")
    assert found["status"] == "failed"
    assert found["summary"] == (
        'params.channels: found "many"; allowed: a whole number from 1 to 8'
    )
    assert "property.json" in found["next"]


def test_warnings_of_the_loader_have_a_next_step(examine):
    outcome = examine(
        "--offline",
        top={"langage": "en"},
        model="whisper-1",
        delay="low",
        turn_detection={"type": "server_vad", "silence": "skip"},
    )
    assert outcome.status == 0
    for name in ("langage", "params.model", "params.delay"):
        assert outcome.found(name)["status"] == "warning"
        assert outcome.found(name)["next"]


def test_a_call_that_does_not_connect_by_itself(examine):
    outcome = examine("--offline", top={"auto_connect": False})
    found = outcome.found("auto_connect")
    assert found["status"] == "warning"
    assert "trigger_connect" in found["summary"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("auto_connect", "false"), ("auto_connect", 0), ("dump", "false")],
)
def test_what_ten_itself_would_end_the_app_for_is_told(name, value, examine):
    outcome = examine("--offline", top={name: value})
    assert outcome.status == 1
    assert any(
        check["name"] == name
        and check["status"] == "failed"
        and "TEN" in check["summary"]
        for check in outcome.report["checks"]
    )


def test_in_params_a_text_is_a_switch(examine):
    assert examine("--offline", dump="false").status == 0


# -- options ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "option", "fate"),
    [
        ({"language": "nb-NO"}, "language", "nb-NO: sent as languages no"),
        ({"language": "xx-XX"}, "language", "not sent: the service does not"),
        (
            {"model": "whisper-1", "languages": ["de", "en"]},
            "language",
            "de, en: sent as language de",
        ),
        ({"prompt": "a call"}, "prompt", "sent: 6 characters"),
        (
            {"model": "gpt-realtime-whisper", "prompt": "a call"},
            "prompt",
            "not sent: gpt-realtime-whisper does not take it",
        ),
        ({"keywords": "TEN, TEN"}, "keywords", "sent: 1 of 2 words"),
        (
            {"model": "whisper-1", "keywords": "TEN"},
            "keywords",
            "written into the prompt, as far as there is room",
        ),
        ({"delay": "low"}, "delay", "sent: low"),
        ({"include": "logprobs"}, "logprobs", "not sent: gpt-live"),
        (
            {"input_audio_noise_reduction": {"strength": 0.5}},
            "noise reduction",
            "sent: near_field, 0.5",
        ),
        (
            {"input_audio_noise_reduction": {"enabled": False}},
            "noise reduction",
            "not sent: it is off",
        ),
        ({}, "turns", "local: the local detector"),
        ({"model": "whisper-1"}, "turns", "server_vad: the server ends"),
        (
            {
                "model": "gpt-transcribe",
                "turn_detection": {"type": "server_vad"},
            },
            "turns",
            "some never got a turn",
        ),
        ({"input_audio_format": "g711_ulaw"}, "audio", "as g711_ulaw, 8000 Hz"),
        (
            {"transport": "http", "model": "whisper-1", "session": {"a": 1}},
            "session",
            "not sent: there is no session over HTTP",
        ),
    ],
)
def test_what_becomes_of_an_option(params, option, fate, examine):
    outcome = examine("--offline", **params)
    assert fate in outcome.primary("options")["data"]["fates"][option]
    assert any(
        line.startswith(f"{option}: ")
        for line in outcome.primary("options")["detail"]
    )


@pytest.mark.parametrize(
    "way", ["ok", "file", "link", "pipe", "long", "nul", "locked"]
)
def test_whether_a_dump_can_be_written(way, examine, tmp_path):
    place = tmp_path / "calls"
    if way == "file":
        place.write_text("")
    elif way == "link":
        place.mkdir()
        (place / "a.pcm").symlink_to(tmp_path / "b.pcm")
    elif way == "pipe":
        place.mkdir()
        os.mkfifo(place / "a.jsonl")
    elif way == "long":
        place = tmp_path / ("x" * 300)
    elif way == "nul":
        place = tmp_path / "a\0b"
    elif way == "locked":
        if os.geteuid() == 0:
            pytest.skip("root may write anywhere")
        place.mkdir(mode=0o500)
    dump_path = str(place / "a.pcm")
    outcome = examine("--offline", dump=True, dump_path=dump_path)
    check = outcome.found("dump")
    if way == "ok":
        assert check["status"] == "ok"
        assert dump_path in check["summary"]
        assert not place.exists(), "only looked at"
    else:
        assert check["status"] == "warning"
        assert "nothing is recorded" in check["summary"]
        assert "dump_path" in check["next"]


def test_what_the_service_is_told(examine):
    told = examine("--offline", language="en").primary("options")["data"][
        "sent"
    ]
    request = told["audio"]["input"]["transcription"]
    assert request == {"model": "gpt-live-transcribe", "languages": ["en"]}
    asked = examine(
        "--offline", transport="http", model="gpt-transcribe", language="en"
    )
    assert asked.primary("options")["data"]["sent"] == {
        "model": "gpt-transcribe",
        "languages": ["en"],
        "response_format": "json",
        "stream": True,
    }


def test_who_is_connected_must_be_there(write, doctor):
    def connected(source: str, sink: str) -> str:
        frames = {"name": "pcm_frame", "dest": [{"extension": "stt"}]}
        texts = {"name": "asr_result", "dest": [{"extension": sink}]}
        return write(
            {
                "nodes": [node(), node("mic", "other"), node("bot", "other")],
                "connections": [
                    {"extension": source, "audio_frame": [frames]},
                    {"extension": "stt", "data": [texts]},
                ],
            }
        )

    def graph(*ends: str) -> Any:
        outcome = doctor(connected(*ends), "--offline", "--json")
        return outcome.found("graph")

    assert graph("mic", "bot")["status"] == "ok"
    for ends in (("ghost", "bot"), ("mic", "ghost")):
        found = graph(*ends)
        assert found["status"] == "warning"
        assert "ghost is connected to stt, and is no node" in found["summary"]


def test_where_it_is_is_no_password(write, doctor, monkeypatch, tmp_path):
    monkeypatch.setenv("PWD", str(tmp_path))
    outcome = doctor(write({"params": {"api_key": 5}}), "--offline")
    # Long paths are broken anywhere.
    assert str(tmp_path) in "".join(outcome.out.split())
