"""P7: whatever a server says, and wherever, no form of a secret comes out.

The sinks: every message to TEN, its log at DEBUG, the session log, answers to
``update_configs``.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asr_call import Call, properties, run_call
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from raw_service import CREATED, UPDATED, Manners, RawService
from secret_forms import forms_of, found_in

few = settings(
    max_examples=25,
    # Each is a call: what is found need not be the smallest.
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TOKEN = LETTERS + "-_.~+/=%\"'\\&<>!$"
HEADER = TOKEN + " ,;:"
UNICODE = HEADER + "éßİΣς日本\U0001f511\t"


def secrets(alphabet: str, least: int = 8) -> st.SearchStrategy[str]:
    """Texts that nothing else in a call contains by chance."""
    return st.builds(
        lambda seed, size: "".join(
            random.Random(seed).choices(alphabet, k=size)
        ),
        st.integers(0, 2**32),
        st.integers(least, 90),
    ).filter(lambda text: text == text.strip() and len(set(text)) > 5)


@contextmanager
def lines_of_ten() -> Iterator[list[str]]:
    """What the extension and its base log."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, listener = logging.getLogger("ten_runtime"), Listener()
    before = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before)


def shown_by(
    manners: Manners, wanted: str, updates: tuple[Any, ...], **params: Any
) -> str:
    """All that leaves a call until an error with the text ``wanted``."""
    answers: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        RawService([manners]) as service,
        lines_of_ten() as lines,
    ):

        async def script(call: Call) -> None:
            # Silence: no update waits for the end of a turn.
            audio = bytes(2 * 16000)
            await call.send(audio)
            await call.until(
                lambda: [e for e in call.errors if wanted in e["message"]]
            )
            for update in updates:
                result, error = await call.command(
                    "update_configs", json.dumps({"params": update})
                )
                assert error is None
                assert result is not None
                answers.append(str(result.get_property_string("message")[0]))

        config = properties(
            service.url,
            log_level="DEBUG",
            stop_timeout_ms=0,
            dump=True,
            dump_path=f"{folder}/call.pcm",
            **params,
        )
        call = run_call(config, script)
        log = Path(folder, "call.jsonl").read_text("utf-8")
    assert call.errors
    assert "session" in log
    return "\n".join((json.dumps(call.messages), *answers, *lines, log))


def close_reason(text: str) -> str:
    """As much of it as a CLOSE can carry."""
    return text.encode()[:120].decode("utf-8", "ignore")


def manners_of(kind: str, form: str) -> Manners:
    """A server that puts a text wherever it can, before and in a session."""
    said = f"odd{form}said"
    error = {
        "type": f"t{form}",
        "code": f"c{form}",
        "message": said,
        "param": form,
        "event_id": form,
    }
    shapes: list[Any] = [
        {"type": "error", "error": error},
        {"type": "error", "error": said},
        {**error, "type": "error"},
        {"type": "error", "error": {"detail": said, "code": 7}},
        {"type": f"odd.{form}", form: [{"deep": said, "n": [form]}]},
    ]
    fatal = {**error, "code": "invalid_api_key"}
    headers = {"X-Echo": form} if form.isascii() and form.isprintable() else {}
    if kind == "json refusal":
        body = json.dumps({"error": fatal}).encode()
        return Manners(http=(401, headers, body))
    if kind == "page refusal":
        page = f"<html><title>No {form}</title></html>".encode()
        return Manners(http=(403, headers, page))
    if kind == "text refusal":
        return Manners(http=(401, headers, said.encode()))
    if kind == "close":
        return Manners(says=shapes, close=(3000, close_reason(form)))
    if kind == "bare close":
        session = {**CREATED["session"], "id": form, "model": form}
        return Manners(
            says=[{**CREATED, "session": session}],
            close=(3000, close_reason(f"no.{form}")),
        )
    if kind == "settings refused":
        return Manners(refuse_update=fatal)
    turn = [
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0},
        {"type": "input_audio_buffer.committed", "previous_item_id": None},
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "content_index": 0,
            "transcript": "one two",
            "usage": {"type": form, "odd": {form: form}},
        },
    ]
    update = {**UPDATED, "session": {"id": form, "instructions": said}}
    return Manners(
        refuse_change={**error, "code": "invalid_value"},
        then=[
            update,
            *shapes,
            *({**event, "item_id": f"i{form}"} for event in turn),
            {"type": "error", "error": {"message": "the end"}},
        ],
    )


KINDS = {
    "json refusal": "HTTP 401",
    "page refusal": "HTTP 403",
    "text refusal": "HTTP 401",
    "close": "",
    "bare close": "",
    "settings refused": "refused the session settings",
    "in a session": "the end",
}


@few
@given(
    kind=st.sampled_from(sorted(KINDS)),
    key=secrets(TOKEN.replace("\\", "")),
    header=secrets(HEADER),
    query=secrets(UNICODE),
    fresh=secrets(TOKEN),
    which=st.integers(0, 3),
    data=st.data(),
)
def test_no_form_of_a_secret_comes_out(
    kind, key, header, query, fresh, which, data
):
    secret = (key, header, query, f"Bearer {key}")[which]
    forms = forms_of(secret)
    name = data.draw(st.sampled_from(sorted(forms)))
    updates = (
        # The server's refusal, where one is there, is the answer.
        {"language": "de"},
        {"log_level": forms[name]},
        {"session": forms[name]},
        {"api_key": {"a": fresh}},
        {"log_level": forms_of(fresh)["base64"]},
    )
    shown = shown_by(
        manners_of(kind, forms[name]),
        KINDS[kind],
        updates,
        api_key=key,
        headers={"X-Gateway": header},
        query={"signed": query},
    )
    for hidden in (key, header, query, fresh):
        assert found_in(shown, hidden) == [], (hidden, name)


AZURE = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
AZURE_NEW = "".join(random.Random(1).choices(LETTERS, k=84))
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fw"
PROJECT = "sk-proj-" + "".join(random.Random(2).choices(LETTERS + "-_", k=156))
BASIC = "Basic dXNlcjpodW50ZXIyLWFuZC1tb3Jl"


@pytest.mark.parametrize(
    ("secret", "params"),
    [
        (PROJECT, {"api_key": PROJECT}),
        (AZURE, {"api_key": AZURE, "auth": "api-key"}),
        (AZURE_NEW, {"api_key": AZURE_NEW}),
        (JWT, {"headers": {"Authorization": f"Bearer {JWT}"}}),
        ("s3cr3t/gate+way==", {"headers": {"X-Key": "s3cr3t/gate+way=="}}),
        ("hunter2-and-more", {"headers": {"Authorization": BASIC}}),
        ("a b&c=d/é%20?x", {"query": {"sig": "a b&c=d/é%20?x"}}),
        ("hush-hush-1234", {"path": "/hush-hush-1234/v1"}),
        ("hush-hush-1234", {"path": "/v1?token=hush-hush-1234"}),
        ("hush-hush-1234", {"path": "/v1;t=hush-hush-1234"}),
        ("hush-hush-1234", {"path": "/v1#hush-hush-1234"}),
        ("s3ss10n-s3cr3t", {"session": {"x": {"api_key": "s3ss10n-s3cr3t"}}}),
    ],
)
def test_each_form_is_hidden(secret, params):
    path = params.pop("path", "/v1")
    said: list[Any] = [
        {"type": "error", "error": {"message": f"odd{form}said", "code": form}}
        for form in forms_of(secret).values()
    ]
    manners = Manners(
        then=[*said, {"type": "error", "error": {"message": "the end"}}]
    )
    with RawService([manners]) as service, lines_of_ten() as lines:

        async def script(call: Call) -> None:
            await call.until(
                lambda: [e for e in call.errors if e["message"] == "the end"]
            )

        url = service.url.removesuffix("/v1") + path
        config = properties(url, log_level="DEBUG", **params)
        call = run_call(config, script)
    shown = "\n".join((json.dumps(call.messages), *lines))
    assert found_in(shown, secret) == []
    assert '"message": "odd***said"' in shown


def test_an_ephemeral_secret_that_the_server_made_is_hidden():
    # Azure's and compatible servers' do not look like a key.
    secret = "made-by-the-server-42"
    session = {**CREATED["session"], "client_secret": {"value": secret}}
    errors = [{"message": f"odd{f}said"} for f in forms_of(secret).values()]
    events = [{"type": "error", "error": error} for error in errors]
    end = {"type": "error", "error": {"message": "the end"}}
    shown = shown_by(
        Manners(
            says=[{**CREATED, "session": session}],
            then=[{**UPDATED, "session": session}, *events, end],
        ),
        "the end",
        (),
    )
    assert found_in(shown, secret) == []
    assert "odd***said" in shown


def test_a_proxys_password_is_hidden(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:pr0xy-passw0rd@127.0.0.1:9")
    shown = shown_by(
        Manners(
            then=[{"type": "error", "error": {"message": "pr0xy-passw0rd"}}]
        ),
        "***",
        (),
    )
    assert found_in(shown, "pr0xy-passw0rd") == []


def test_an_old_key_stays_hidden():
    error = {"type": "error", "error": {"message": "odd old-key-0123456789x"}}
    shown = shown_by(
        Manners(then=[error]),
        "odd",
        (
            {"api_key": "new-key-0123456789x"},
            {"log_level": "old-key-0123456789x"},
        ),
        api_key="old-key-0123456789x",
    )
    assert found_in(shown, "old-key-0123456789x") == []
    assert found_in(shown, "new-key-0123456789x") == []


def test_what_is_no_secret_can_be_read():
    message = (
        "The model gpt-4o-transcribe knows no language de-CH in api-version"
        " 2025-04-01-preview; see req_0123456789abcdef0123456789abcdef, a"
        " Bearer token is missing, Basic authentication is not, true"
    )
    shown = shown_by(
        Manners(then=[{"type": "error", "error": {"message": message}}]),
        "The model",
        ({"log_level": "gpt-4o-transcribe"},),
        query={"api-version": "2025-04-01-preview", "debug": "true"},
        headers={"X-Model": "gpt-4o-transcribe", "X-Language": "de-CH"},
    )
    assert json.dumps(message)[1:-1] in shown
    assert 'found "GPT-4O-TRANSCRIBE"' in shown
