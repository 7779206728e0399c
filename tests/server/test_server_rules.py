"""Each rule of the service: kept to, and switched off by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from realtime_client import (
    COMMITTED,
    COMPLETED,
    Client,
    connected,
    session,
)

from devkit.server import LocalServer
from devkit.server.languages import LISTED, SINGLE
from devkit.server.rules import Rule, rules_without

LIVE = "gpt-live-transcribe"
TRANSCRIPTION = "session.audio.input.transcription"


def changed(**audio_input: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": audio_input}}


def model(name: str, **more: Any) -> dict[str, Any]:
    return changed(transcription={"model": name, **more})


async def answer(client: Client, update: Any) -> dict[str, Any]:
    await client.send("session.update", session=update, event_id="evt_u")
    return await client.receive()


def at(path: str, server: LocalServer) -> Any:
    """A value of the newest session's settings, None where there is none."""
    found: Any = server.sessions[-1].config
    for name in path.split("."):
        found = found.get(name)
    return found


INPUT = "audio.input"
T = "audio.input.transcription"
# Rule, update, code of the refusal, and what the lenient server makes of it.
UPDATES: list[tuple[str, dict[str, Any], str, str, Any]] = [
    (
        "unknown-fields",
        model(LIVE, voice="x"),
        "unknown_parameter",
        f"{T}.voice",
        None,
    ),
    (
        "session-type",
        {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}},
        "missing_required_parameter",
        f"{INPUT}.noise_reduction",
        {"type": "far_field"},
    ),
    (
        "session-type",
        {**model("whisper-1"), "type": "realtime"},
        "invalid_parameter",
        f"{T}.model",
        "whisper-1",
    ),
    (
        "pcm-rate",
        changed(format={"type": "audio/pcm", "rate": 16_000}),
        "integer_below_min_value",
        f"{INPUT}.format.rate",
        16_000,
    ),
    (
        "pcm-rate",
        changed(format={"type": "audio/pcm", "rate": 48_000}),
        "integer_above_max_value",
        f"{INPUT}.format.rate",
        48_000,
    ),
    (
        "ranges",
        changed(noise_reduction={"type": "far_field", "strength": 1.5}),
        "decimal_above_max_value",
        f"{INPUT}.noise_reduction.strength",
        1,
    ),
    (
        "ranges",
        changed(turn_detection={"type": "server_vad", "idle_timeout_ms": 1}),
        "integer_below_min_value",
        f"{INPUT}.turn_detection.idle_timeout_ms",
        5000,
    ),
    (
        "model-required",
        changed(transcription={"prompt": "x"}),
        "missing_required_parameter",
        f"{T}.model",
        "gpt-4o-transcribe",
    ),
    (
        "model-names",
        model("own-model"),
        "model_not_found",
        f"{T}.model",
        "own-model",
    ),
    (
        "model-options",
        model("gpt-realtime-whisper", prompt="x"),
        "invalid_value",
        f"{T}.prompt",
        "x",
    ),
    (
        "model-options",
        model("whisper-1", keywords=[]),
        "invalid_value",
        f"{T}.model",
        "whisper-1",
    ),
    (
        "model-vad",
        changed(
            transcription={"model": LIVE},
            turn_detection={"type": "semantic_vad"},
        ),
        "invalid_value",
        f"{INPUT}.turn_detection.type",
        "semantic_vad",
    ),
    (
        "singular-language",
        model(LIVE, language="de"),
        "invalid_value",
        f"{T}.language",
        "de",
    ),
    (
        "language-list",
        model("gpt-transcribe", languages=["de", "nb"]),
        "invalid_value",
        f"{T}.languages",
        ["de", "nb"],
    ),
    (
        "language-list",
        model("whisper-1", language="zh-TW"),
        "invalid_value",
        f"{T}.language",
        "zh-TW",
    ),
    (
        "languages-kept",
        model("gpt-transcribe", languages=[]),
        "invalid_value",
        f"{T}.languages",
        None,
    ),
    (
        "languages-kept",
        model("gpt-transcribe", languages=None),
        "invalid_type",
        f"{T}.languages",
        None,
    ),
    (
        "prompt-length",
        model(LIVE, prompt="\U0001f600" * 1025),
        "string_above_max_length",
        f"{T}.prompt",
        "\U0001f600" * 1025,
    ),
    (
        "keyword-characters",
        model(LIVE, keywords=["ok", "a <b"]),
        "invalid_value",
        f"{T}.keywords",
        ["ok", "a <b"],
    ),
]


@pytest.mark.parametrize(("rule", "update", "code", "path", "value"), UPDATES)
async def test_a_rule_about_updates(
    rule: str, update: dict[str, Any], code: str, path: str, value: Any
) -> None:
    # Strict in this rule only, so that no other refuses the update.
    others = [each.label for each in Rule if each.label != rule]
    for lenient in ([], others):
        async with (
            LocalServer(lenient=lenient) as server,
            session(server) as client,
        ):
            before = server.sessions[0].config
            error = (await answer(client, update))["error"]
            assert error["code"] == code
            assert server.sessions[0].config == before
    async with (
        LocalServer(lenient=[rule]) as server,
        session(server) as client,
    ):
        assert (await answer(client, update))["type"] == "session.updated"
        assert at(path, server) == value


async def test_language_beside_languages() -> None:
    both = model(LIVE, language="de", languages=["de"])
    for lenient, taken in (
        (["singular-language"], False),
        (["both-languages"], False),
        (["both-languages", "singular-language"], True),
    ):
        async with (
            LocalServer(lenient=lenient) as server,
            session(server) as client,
        ):
            event = await answer(client, both)
            assert (event["type"] == "session.updated") is taken


async def test_prompts_of_up_to_1024_code_points() -> None:
    async with LocalServer() as server, session(server) as client:
        for prompt in ("a\r\n<b>" + "x" * 1018, "\U0001f600" * 1024, "ß"):
            for name in ("whisper-1", LIVE, "gpt-4o-transcribe"):
                event = await answer(client, model(name, prompt=prompt))
                assert event["type"] == "session.updated"
                assert at(f"{T}.prompt", server) == prompt
        too_long = model("whisper-1", prompt="\U0001f600" * 1100)
        error = (await answer(client, too_long))["error"]
        assert error == {
            "type": "invalid_request_error",
            "code": "string_above_max_length",
            "message": f"Invalid '{TRANSCRIPTION}.prompt': string too long. "
            "Expected a string with maximum length 1024, but got a string "
            "with length 1100 instead.",
            "param": f"{TRANSCRIPTION}.prompt",
            "event_id": "evt_u",
        }


@pytest.mark.parametrize("word", ["<", "a>", "a\r", "a\nb", "", " \t"])
async def test_a_keyword_that_the_service_does_not_take(word: str) -> None:
    async with LocalServer() as server, session(server) as client:
        error = (await answer(client, model(LIVE, keywords=["x", word])))[
            "error"
        ]
        assert error["code"] == "invalid_value"
        assert error["message"] == (
            "The 'keywords' parameter contains unsupported characters."
        )
        # Other errors name the client's event; this one was seen not to.
        assert error["event_id"] is None
        assert at(f"{T}.keywords", server) is None


async def test_keywords_have_no_bound() -> None:
    words = ["w" * 1024, *(f"word {n}" for n in range(16_383))]
    async with LocalServer() as server, session(server) as client:
        event = await answer(client, model(LIVE, keywords=words))
        assert event["type"] == "session.updated"
        shown = event["session"]["audio"]["input"]["transcription"]
        assert "keywords" not in shown
        assert at(f"{T}.keywords", server) == words


# Of the sweep's refused codes those that were published; other spellings.
REFUSED = {
    *("nn", "sq", "am", "eu", "mn", "km", "lo", "my", "pa", "si", "uz", "so"),
    *("ha", "yo", "mt", "la", "nb", "xx", "en-US", "pt-BR", "zh-TW"),
    *("zh-Hant", "deu", "EN", "english", "e", "zh-sg"),
}


@pytest.mark.parametrize(
    ("name", "field", "taken"),
    [
        (LIVE, "languages", LISTED),
        ("gpt-transcribe", "languages", LISTED),
        ("whisper-1", "language", SINGLE),
        ("gpt-4o-transcribe", "language", SINGLE),
        ("gpt-4o-mini-transcribe", "language", SINGLE),
        ("gpt-4o-transcribe-diarize", "language", SINGLE),
        ("gpt-realtime-whisper", "language", SINGLE),
    ],
)
async def test_language_lists(
    name: str, field: str, taken: frozenset[str]
) -> None:
    async with LocalServer() as server, connected(server) as client:
        await client.receive()
        for code in sorted(LISTED | REFUSED):
            value: Any = [code] if field == "languages" else code
            event = await answer(client, model(name, **{field: value}))
            if code in taken:
                assert event["type"] == "session.updated", code
                continue
            assert event["error"]["code"] == "invalid_value", code
            where = f"{TRANSCRIPTION}.{field}"
            assert event["error"]["param"].startswith(where)
            assert f"'{code}'" in event["error"]["message"]


def test_sizes_of_the_language_lists() -> None:
    assert (len(LISTED), len(SINGLE)) == (63 + 6, 57)
    assert SINGLE < LISTED
    assert LISTED.isdisjoint(REFUSED)
    newer = {"bn", "yue", "ka", "gu", "ml", "te", "eng", "spa", "cmn"}
    assert newer | {"zh-cn", "zh-tw", "zh-hk"} == LISTED - SINGLE


# --- events and the URL ----------------------------------------------------

BUFFER = "input_audio_buffer"
EVENTS: list[tuple[str, str | bytes]] = [
    ("json-text", b"\x00"),
    ("json-text", "no json"),
    ("json-text", "[]"),
    ("event-types", "{}"),
    ("event-types", '{"type":"nonsense"}'),
    ("event-types", '{"type":"transcription_session.update","session":{}}'),
]


@pytest.mark.parametrize(("rule", "message"), EVENTS)
@pytest.mark.parametrize("strict", [True, False])
async def test_what_is_no_event(
    rule: str, message: str | bytes, strict: bool
) -> None:
    async with (
        LocalServer(lenient=[] if strict else [rule]) as server,
        session(server) as client,
    ):
        await client.ws.send(message)
        await client.send(f"{BUFFER}.clear")
        await client.until(f"{BUFFER}.cleared")
        assert ("error" in client.types()) is strict


async def test_unknown_fields_of_an_event() -> None:
    async with (
        LocalServer(lenient=["unknown-fields"]) as server,
        session(server) as client,
    ):
        await client.append(bytes(4800))
        await client.send(f"{BUFFER}.commit", final=True)
        await client.until(COMPLETED)
        assert "error" not in client.types()


async def test_a_short_commit() -> None:
    async with (
        LocalServer(lenient=["commit-minimum"]) as server,
        session(server) as client,
    ):
        await client.append(bytes(480))
        await client.send(f"{BUFFER}.commit")
        await client.until(COMMITTED)
        await client.until(COMPLETED)
        await client.send(f"{BUFFER}.commit")  # nothing there
        error = (await client.until("error"))["error"]
        assert error["code"] == "input_audio_buffer_commit_empty"


async def test_an_append_above_15_mib() -> None:
    async with (
        LocalServer(lenient=["append-size"]) as server,
        session(server) as client,
    ):
        await client.append(bytes(15 * 1024 * 1024 + 2))
        await client.send(f"{BUFFER}.clear")
        await client.until(f"{BUFFER}.cleared")
        assert server.sessions[0].audio_bytes == 15 * 1024 * 1024 + 2


@pytest.mark.parametrize(
    "query", ["", "model=x", "intent=transcription&model=whisper-1"]
)
async def test_a_model_in_the_url(query: str) -> None:
    async with (
        LocalServer(lenient=["url-model"]) as server,
        connected(server, query) as client,
    ):
        event = await client.receive()
        assert event["session"]["type"] == "transcription"
    async with LocalServer() as server, connected(server, query) as client:
        assert (await client.receive())["type"] == "error"


async def test_the_beta_header() -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    async with (
        LocalServer(lenient=["beta-header"]) as server,
        connected(server, headers=headers) as client,
    ):
        assert (await client.receive())["type"] == "session.created"


# --- the beta dialect and the names ----------------------------------------


async def flat(client: Client, **transcription: Any) -> dict[str, Any]:
    await client.send(
        "transcription_session.update",
        session={"input_audio_transcription": transcription},
    )
    return await client.receive()


async def test_rules_in_the_beta_dialect() -> None:
    where = "session.input_audio_transcription"
    async with (
        LocalServer(dialect="beta") as server,
        connected(server) as client,
    ):
        await client.receive()
        event = await flat(client, model="whisper-1", prompt="x" * 1025)
        assert event["error"]["code"] == "string_above_max_length"
        assert event["error"]["param"] == f"{where}.prompt"
        assert f"'{where}.prompt'" in event["error"]["message"]
        event = await flat(client, model="whisper-1", language="nb")
        assert event["error"]["param"] == f"{where}.language"
        # `languages` is younger than this shape.
        event = await flat(client, model=LIVE, language="de")
        assert event["type"] == "transcription_session.updated"
    async with (
        LocalServer(dialect="beta", lenient=["all"]) as server,
        connected(server) as client,
    ):
        await client.receive()
        event = await flat(client, model="own", prompt="x" * 2000, more={})
        assert event["type"] == "transcription_session.updated"
        assert "own" in json.dumps(event)


def test_names_of_rules() -> None:
    assert rules_without([]) == set(Rule)
    assert rules_without(["all"]) == set()
    assert rules_without(["ranges"]) == set(Rule) - {Rule.RANGES}
    for wrong in ("nonsense", "", "Ranges", "RANGES"):
        with pytest.raises(ValueError, match="one of all, url-model") as caught:
            LocalServer(lenient=["ranges", wrong])
        assert all(rule.label in str(caught.value) for rule in Rule)
