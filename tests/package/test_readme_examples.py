"""What people paste works: every example of a node or of params is run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from asr_call import Call, run_call
from shown_nodes import KEY, blocks_of, directed_to, nodes_in
from ten_packages.extension.openai_asr_python.connection import http_client

from devkit.matrix.known_speech import (
    KnownSpeechEngine,
    call_audio,
    call_words,
)
from devkit.server import ServerThread

ROOT = Path(__file__).resolve().parents[2]
READMES = (ROOT / "README.md", *sorted(ROOT.glob("docs/README.*.md")))
PAGES = (
    *READMES,
    *sorted(set(ROOT.glob("docs/*.md")) - set(READMES)),
    *sorted(ROOT.glob("examples/**/*.md")),
)
APPS = sorted(ROOT.glob("examples/*/property.json"))
PLACEHOLDER = re.compile(r"\$\{env:(\w+)")
RATE = 16000


def examples_of(page: Path) -> list[dict[str, Any]]:
    """The properties that a page shows."""
    if page.suffix == ".json":
        return list(nodes_in(json.loads(page.read_text(encoding="utf-8"))))
    return list(nodes_in(blocks_of(page)))


def every_example() -> list[Any]:
    """Each once: the translations repeat them."""
    seen: dict[str, str] = {}
    for page in (*PAGES, *APPS):
        for number, example in enumerate(examples_of(page), 1):
            name = f"{page.relative_to(ROOT)}-{number}"
            seen.setdefault(json.dumps(example, sort_keys=True), name)
    return [pytest.param(json.loads(e), id=name) for e, name in seen.items()]


def is_azure(example: dict[str, Any]) -> bool:
    return "azure.com" in json.dumps(example)


def test_the_pages_show_examples():
    """That none was found must not look like none that failed."""
    for page in READMES:
        node, azure = examples_of(page)
        assert not is_azure(node)
        assert is_azure(azure)
    assert all(examples_of(app) for app in APPS)
    assert len(APPS) >= 1


@pytest.mark.parametrize("example", every_example())
def test_an_example_transcribes_on_the_strict_server(example, monkeypatch):
    for name in PLACEHOLDER.findall(json.dumps(example)):
        if name.endswith("_KEY"):
            monkeypatch.setenv(name, KEY)
        else:
            monkeypatch.delenv(name, raising=False)

    async def script(call: Call) -> None:
        await call.send(call_audio(RATE), RATE)
        await call.until_finalized("end")

    azure = is_azure(example)
    params = example.get("params", {})
    over_http = params.get("transport") == "http"
    if over_http:
        # Of a process's first such call the package takes the time, which on
        # a busy machine is more than a finalize has.
        http_client._warm_up()
    keys = [KEY, params.get("api_key", KEY)]
    with ServerThread(
        KnownSpeechEngine(),
        keys=keys,
        azure=azure,
        # Names of others' models.
        lenient=["model-names"] if over_http else [],
    ) as server:
        call = run_call(directed_to(server.url, example), script)
        sessions, requests = server.sessions, server.requests
    assert " ".join(call.texts).split() == call_words()
    assert call.errors == []
    if over_http:
        assert {request.status for request in requests} == {200}
        assert sessions == []
        return
    [session] = sessions
    assert session.config_updates == 1
    assert "error" not in session.sent_types()
