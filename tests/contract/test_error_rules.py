"""Every row of the table of errors, over a real socket."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from asr_call import Call, properties, run_call, spoken, text_of
from raw_service import Manners, RawService
from ten_packages.extension.openai_asr_python.realtime.faults import (
    RULES,
    Rule,
    fault_of_close,
    fault_of_http,
)

from devkit.error_table import (
    DOCUMENT,
    SHORT_DOCUMENT,
    document,
    short_table,
)
from devkit.server import Faults, ServerThread

FATAL, NON_FATAL = -1000, 1000
BY_WORD = [rule for rule in RULES if rule.where in ("code", "type")]
ENDING = [r for r in BY_WORD if r.verdict in ("fatal", "retry", "at_once")]


def rule_id(rule: Rule) -> str:
    return f"{rule.where}-{rule.sign}"


def error_of(rule: Rule) -> dict[str, str]:
    fields = {"type": "invalid_request_error", "message": "what happened"}
    return {**fields, rule.where: rule.sign}


def play(manners: Manners, verdict: str) -> tuple[Call, RawService]:
    """A call against this service, until it has shown what it means."""
    audio, _ = spoken([[1]])
    with RawService([manners]) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: call.errors)
            if verdict == "fatal":
                await call.send(audio)
                await call.until_finalized("a")
                await call.until_finalized("b")
            else:
                await call.until(lambda: len(call.errors) >= 2)

        call = run_call(properties(service.url), script)
    return call, service


def check(call: Call, service: RawService, verdict: str, code: str) -> None:
    first = call.errors[0]
    assert first["vendor_info"] == {
        "vendor": "openai",
        "code": code,
        "message": first["message"],
    }
    assert first["module"] == "asr"
    assert first["id"]
    if verdict == "fatal":
        assert call.codes == [FATAL]
        assert service.connections == 1
        assert call.ends == ["a", "b"]
        sent = [e for e in service.received if "append" in e["type"]]
        assert sent == [], "audio after a fatal error goes nowhere"
    else:
        assert {e["code"] for e in call.errors} == {NON_FATAL}
        assert service.connections >= 2


@pytest.mark.parametrize("rule", ENDING, ids=rule_id)
def test_an_error_event_before_a_close_decides(rule):
    # 4000 is fatal by itself, 1000 is not: the event's word counts.
    close = 1000 if rule.verdict == "fatal" else 4000
    manners = Manners(
        says=[{"type": "error", "error": error_of(rule)}],
        close=(close, "by the test"),
    )
    call, service = play(manners, rule.verdict)
    check(call, service, rule.verdict, rule.sign)
    assert "what happened" in call.errors[0]["message"]


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.where == "close"], ids=rule_id
)
def test_a_close_code_decides_where_no_event_did(rule):
    low = int(rule.sign.partition("-")[0])
    manners = Manners(close=(low, "see you"))
    call, service = play(manners, rule.verdict)
    check(call, service, rule.verdict, str(low))
    assert "see you" in call.errors[0]["message"]


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r.where == "http"], ids=rule_id
)
def test_an_http_status_in_place_of_101_decides(rule):
    low, _, high = rule.sign.partition("-")
    # A code that no narrower rule of the table has.
    status = {"400": 402, "300": 302, "200": 200, "500": 502}.get(low, int(low))
    assert int(low) <= status <= int(high or low)
    headers = {"Location": "ws://127.0.0.1:1/"} if status == 302 else {}
    manners = Manners(http=(status, headers, b"a page"))
    call, service = play(manners, rule.verdict)
    check(call, service, rule.verdict, str(status))
    assert f"HTTP {status}" in call.errors[0]["message"]


def test_the_body_of_an_http_answer_decides_before_its_status():
    error = {"code": "insufficient_quota", "message": "no money"}
    body = json.dumps({"error": error}).encode()
    call, service = play(Manners(http=(429, {}, body)), "fatal")
    check(call, service, "fatal", "insufficient_quota")


@pytest.mark.parametrize("rule", BY_WORD, ids=rule_id)
def test_refused_settings_are_fatal_unless_the_reason_passes(rule):
    verdict = "retry" if rule.verdict in ("retry", "at_once") else "fatal"
    if rule.verdict == "ignore":
        pytest.skip("that code answers a commit, not the settings")
    call, service = play(Manners(refuse_update=error_of(rule)), verdict)
    check(call, service, verdict, rule.sign)
    assert "session settings" in call.errors[0]["message"]


@pytest.mark.parametrize("rule", BY_WORD, ids=rule_id)
def test_an_error_event_without_a_close_ends_nothing(rule):
    events = [
        {"type": "error", "error": error_of(rule)},
        {"type": "error", "error": {"code": "last", "message": "marker"}},
    ]
    with RawService([Manners(then=events)]) as service:

        async def script(call: Call) -> None:
            await call.until(
                lambda: [e for e in call.errors if e["message"] == "marker"]
            )

        call = run_call(properties(service.url), script)
    codes = [e["vendor_info"]["code"] for e in call.errors]
    assert {e["code"] for e in call.errors} == {NON_FATAL}
    expected = [] if rule.verdict == "ignore" else [rule.sign]
    assert codes == [*expected, "last"]
    assert service.connections == 1


def test_a_key_that_the_service_repeats_is_masked():
    error = {
        "code": "invalid_api_key",
        "message": "Incorrect API key provided: sk-test-0123456789.",
    }
    manners = Manners(
        says=[{"type": "error", "error": error}], close=(3000, "no")
    )
    call, _ = play(manners, "fatal")
    assert "0123456789" not in str(call.messages)
    assert "Incorrect API key" in call.errors[0]["message"]


def test_the_server_error_of_an_item_is_reported_and_the_call_goes_on():
    turns = [[1, 2], [3, 4]]
    audio, _ = spoken(turns)
    with ServerThread(engine="script", faults=Faults(server_error=1)) as server:

        async def script(call: Call) -> None:
            await call.send(audio)
            await call.until_finalized("end")
            await call.until(lambda: call.errors)

        call = run_call(properties(server.url), script)
        assert call.texts == text_of(*turns)
        assert [e["code"] for e in call.errors] == [NON_FATAL]
        assert call.errors[0]["vendor_info"]["code"] == "server_error"
        assert len(server.sessions) == 1


MENDED_BY = "run: .venv/bin/python -m devkit.error_table --write"


def test_what_the_table_does_not_know_is_tried_again():
    assert fault_of_close(1006, "", None).verdict == "retry"
    assert fault_of_close(7, "", None).verdict == "retry"
    assert fault_of_http(101, b"\xff").verdict == "retry"
    assert fault_of_http(429, b"[" * 100_000, "nan").retry_after == 0
    assert fault_of_http(503, b"", "1e9").retry_after == 300


def test_the_document_shows_the_table_as_it_is():
    assert DOCUMENT.read_text() == document(), MENDED_BY
    for rule in RULES:
        assert f"`{rule.sign}`" in DOCUMENT.read_text()


def test_the_readme_has_the_short_version_and_the_link():
    text = SHORT_DOCUMENT.read_text()
    assert short_table() in text, MENDED_BY
    assert "docs/errors.md" in text


def test_the_command_prints_and_checks_the_table(tmp_path):
    root = Path(DOCUMENT).parents[1]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "devkit.error_table", *arguments],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    printed = run()
    assert printed.returncode == 0
    assert printed.stdout == document()
    assert run("--check").returncode == 0
    wrong = run("--nonsense")
    assert wrong.returncode == 2
