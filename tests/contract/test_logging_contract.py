"""Point 9: categories, prefixes, level; and never a key."""

from __future__ import annotations

import logging

from asr_call import Call, properties, run_call, spoken
from key_watch import KEYS, WATCH, KeyWatch

KEY = "sk-watched-0123456789"


def play(server, caplog, level: str, key: str = KEY) -> list[tuple[str, str]]:
    """(category, text) of every line of a call with all kinds of events."""
    audio, _ = spoken([[1, 2]])
    caplog.set_level(logging.DEBUG)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("a")
        server.drop_connections(abort=True)
        await call.until(lambda: len(call.metric("connect_delay")) == 2)

    run_call(properties(server.url, api_key=key, log_level=level), script)
    return [
        (getattr(r, "ten_category", None) or "", r.getMessage())
        for r in caplog.records
        if r.name == "ten_runtime"
    ]


def test_prefixes_and_categories_of_ten(server, caplog):
    lines = play(server, caplog, "DEBUG")
    for category, prefix in (
        ("key_point", "config: "),
        ("vendor", "vendor_status_changed: connected"),
        ("vendor", "vendor_status_changed: reconnected"),
        ("vendor", "vendor_error: code: 1006, reason: "),
        ("vendor", "vendor_result: on_committed: "),
        ("vendor", "vendor_result: on_completed: "),
        ("key_point", "send_asr_result: "),
        ("key_point", "send_asr_finalize_end: "),
    ):
        found = [c for c, text in lines if prefix in text]
        assert found, prefix
        assert set(found) == {category}, prefix
    assert not [text for _, text in lines if KEYS.search(text)]


def test_the_level_is_honoured(server, caplog):
    lines = play(server, caplog, "ERROR")
    ours = ("config: ", "vendor_status", "vendor_error", "vendor_result")
    assert not [t for _, t in lines if any(word in t for word in ours)]


def test_the_level_in_between(server, caplog):
    texts = [text for _, text in play(server, caplog, "INFO")]
    assert any("vendor_status_changed" in text for text in texts)
    assert not any("vendor_result" in text for text in texts)


def test_a_host_that_logs_everything_sees_no_key(server):
    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    WATCH.listen_everywhere()
    before = WATCH.count
    run_call(properties(server.url, api_key=KEY), script)
    assert WATCH.count > before
    assert WATCH.found == set()


def test_the_watch_sees_a_key():
    watch = KeyWatch()
    logger = logging.Logger("loose", logging.DEBUG)
    logger.addHandler(watch)
    logger.debug("> Authorization: Bearer %s", KEY)
    assert watch.found == {("loose", KEY)}
