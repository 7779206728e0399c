"""Who gets a session: HTTP 101 first, then the verdict."""

from __future__ import annotations

import json
import time

import pytest
from realtime_client import Client, connected
from websockets.exceptions import InvalidStatus

from devkit.server import LocalServer


async def refusal(client: Client) -> tuple[str | None, int, str]:
    """Error code, close code and reason of a refused connection."""
    error = (await client.receive())["error"]
    assert error["type"] == "invalid_request_error"
    assert error["event_id"] is None
    return error["code"], *await client.closed()


async def test_session_created_comes_unasked_with_the_live_defaults() -> None:
    async with LocalServer() as server, connected(server) as client:
        event = await client.receive()
    assert event["type"] == "session.created"
    assert event["event_id"]
    session = event["session"]
    assert session["type"] == "transcription"
    assert session["object"] == "realtime.transcription_session"
    assert session["id"].startswith("sess_")
    assert abs(session["expires_at"] - time.time() - 3600) < 60
    assert session["include"] is None
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
        },
    }


async def test_wrong_key_is_refused_after_101_and_its_echo_is_masked() -> None:
    key = "sk-wrong-0123456789"
    async with LocalServer() as server, connected(server, key=key) as client:
        error = (await client.receive())["error"]
        assert error["code"] == "invalid_api_key"
        assert error["message"].startswith("Incorrect API key provided: ")
        assert key not in error["message"]
        assert await client.closed() == (
            3000,
            "invalid_request_error.invalid_api_key",
        )
        record = server.sessions[0]
        await server.until(lambda: not record.open)
    assert record.close_code == 3000
    assert not record.key_ok
    assert key not in repr(record)


async def test_missing_key() -> None:
    async with LocalServer() as server, connected(server, key=None) as client:
        error = (await client.receive())["error"]
        assert error["code"] is None
        assert (
            error["message"]
            == "Missing bearer or basic authentication in header"
        )
        assert await client.closed() == (3000, "invalid_request_error")


async def test_only_listed_keys() -> None:
    async with LocalServer(keys=["one", "two"]) as server:
        async with connected(server, key="two") as client:
            assert (await client.receive())["type"] == "session.created"
            assert server.sessions[0].key_ok
        async with connected(server, key="three") as client:
            assert (await refusal(client))[0] == "invalid_api_key"


async def test_beta_header_is_refused() -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    async with (
        LocalServer() as server,
        connected(server, headers=headers) as client,
    ):
        assert await refusal(client) == (
            "beta_api_shape_disabled",
            4000,
            "invalid_request_error.beta_api_shape_disabled",
        )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "missing_model"),
        ("intent=realtime", "missing_model"),
        ("intent=transcription&model=gpt-4o-transcribe", "invalid_model"),
        ("intent=transcription&model=", "invalid_model"),
        ("model=gpt-4o-transcribe", "invalid_model"),
        ("model=gpt-nope", "invalid_model"),
        ("intent=dictation", "invalid_value"),
    ],
)
async def test_model_and_intent(query: str, code: str) -> None:
    async with LocalServer() as server, connected(server, query) as client:
        assert await refusal(client) == (
            code,
            4000,
            f"invalid_request_error.{code}",
        )


async def test_client_secret_needs_no_intent() -> None:
    async with (
        LocalServer() as server,
        connected(server, "", key="ek_test") as client,
    ):
        event = await client.receive()
        assert event["session"]["type"] == "transcription"


async def test_conversation_session_refuses_a_transcription_update() -> None:
    async with (
        LocalServer() as server,
        connected(server, "model=gpt-realtime") as client,
    ):
        assert (await client.receive())["session"]["type"] == "realtime"
        error = (await client.update())["error"]
        assert error["code"] == "invalid_parameter"
        assert error["message"] == (
            "Passing a transcription session update event to a realtime "
            "session is not allowed."
        )
        await client.send("session.update", session={"type": "realtime"})
        assert (await client.receive())["type"] == "session.updated"


async def test_subprotocol_key_as_browsers_send_it() -> None:
    offered = ["realtime", "openai-insecure-api-key.sk-test"]
    async with (
        LocalServer() as server,
        connected(server, key=None, subprotocols=offered) as client,
    ):
        assert (await client.receive())["type"] == "session.created"
        assert client.ws.subprotocol == "realtime"
        assert "sk-test" not in repr(server.sessions)


@pytest.mark.parametrize(
    ("origin", "served"),
    [
        ("http://localhost:3000", True),
        ("http://127.0.0.1:8000", True),
        ("http://[::1]", True),
        ("http://app.localhost", True),
        ("http://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
async def test_a_page_of_elsewhere_is_not_served(origin, served) -> None:
    offered = ["realtime", "openai-insecure-api-key.sk-test"]
    async with LocalServer() as server:
        opening = connected(
            server,
            key=None,
            subprotocols=offered,
            headers={"Origin": origin},
        )
        if served:
            async with opening as client:
                assert (await client.receive())["type"] == "session.created"
            return
        with pytest.raises(InvalidStatus) as caught:
            async with opening:
                pass
        assert caught.value.response.status_code == 403


async def test_record_of_the_request() -> None:
    async with (
        LocalServer() as server,
        connected(server, headers={"OpenAI-Project": "p1"}) as client,
    ):
        await client.receive()
        record = server.sessions[0]
        assert record.path == "/v1/realtime"
        assert record.query == {"intent": "transcription"}
        assert record.headers["openai-project"] == "p1"
        assert record.headers["authorization"] == "***"
        assert record.open


async def test_unknown_path_is_404() -> None:
    async with LocalServer() as server:
        with pytest.raises(InvalidStatus) as caught:
            async with connected(server, path="/v1/other"):
                pass
        assert caught.value.response.status_code == 404
        assert server.sessions[0].http_status == 404
        body = json.loads(caught.value.response.body or b"")
        assert body["error"]["message"] == "Invalid URL (/v1/other)"


async def test_a_deployment_can_do_what_the_model_behind_it_can() -> None:
    names = {"my-live": "gpt-live-transcribe", "my-old": "gpt-4o-transcribe"}
    async with LocalServer(azure=True, deployments=names) as server:
        for model, answer in (
            ("my-live", "session.updated"),
            ("my-old", "error"),
            ("my-other", "error"),
        ):
            async with connected(
                server, key=None, headers={"api-key": "secret-key"}
            ) as client:
                await client.receive()
                said = await client.update(model, keywords=["TEN"])
                assert said["type"] == answer, model


async def test_azure() -> None:
    async with LocalServer(azure=True) as server:
        assert server.url.endswith("/openai/v1")
        async with connected(
            server, key=None, headers={"api-key": "secret-key"}
        ) as client:
            await client.receive()
            updated = await client.update("my-deployment")
            assert updated["type"] == "session.updated"
            assert "secret-key" not in repr(server.sessions)
        for query, headers in (
            ("intent=transcription&api-version=2025-04-01", {"api-key": "k"}),
            ("intent=transcription", {"api-key": "sk-wrong-key"}),
            ("intent=transcription", {}),
        ):
            with pytest.raises(InvalidStatus) as caught:
                async with connected(server, query, key=None, headers=headers):
                    pass
            response = caught.value.response
            assert response.status_code == 401
            body = json.loads(response.body or b"")
            assert body["error"]["code"] == "invalid_api_key"
