"""Point 9: categories, prefixes, level; and never a key."""

from __future__ import annotations

import logging

from asr_call import Call, properties, run_call, spoken
from host_log import LogCall, log_calls
from key_watch import KEYS, WATCH, KeyWatch
from ten_runtime import AsyncTenEnv, LogLevel

KEY = "sk-watched-0123456789"


def play(server, level: str, key: str = KEY) -> list[LogCall]:
    """A call with all kinds of events; what it told the host to log."""
    audio, _ = spoken([[1, 2]])
    calls: list[LogCall] = []

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("a")
        server.drop_connections(abort=True)
        await call.until(lambda: len(call.metric("connect_delay")) == 2)

    with log_calls(calls.append):
        run_call(properties(server.url, api_key=key, log_level=level), script)
    return calls


def test_prefixes_and_categories_of_ten(server, host_log):
    calls = play(server, "DEBUG")
    for category, prefix in (
        ("key_point", "config: "),
        ("vendor", "vendor_status_changed: connected"),
        ("vendor", "vendor_status_changed: reconnected"),
        ("vendor", "vendor_error: code: 1006, reason: "),
        ("vendor", "vendor_result: on_committed: "),
        ("vendor", "vendor_result: on_completed: "),
        ("key_point", "send asr_error: {"),
        ("key_point", "send_asr_result: "),
        ("key_point", "send asr_finalize_end, finalize_id: a"),
    ):
        found = {c.category for c in calls if c.text.startswith(prefix)}
        assert found == {category}, prefix
        assert prefix in host_log.text
    assert not [line for line in host_log.lines if KEYS.search(line)]
    assert not [call for call in calls if KEYS.search(call.text)]


def test_the_base_says_what_it_has_sent(server, monkeypatch):
    """Not what it is about to send."""
    order: list[str] = []
    real = AsyncTenEnv.send_data

    async def send_data(self, data, *rest):
        name = data.get_name()
        error = await real(self, data, *rest)
        order.append(f"sent {name}")
        return error

    monkeypatch.setattr(AsyncTenEnv, "send_data", send_data)
    with log_calls(lambda call: order.append(call.text)):
        play(server, "INFO")
    for name, line in (
        ("asr_finalize_end", "send asr_finalize_end, finalize_id: a"),
        ("error", "send asr_error: {"),
        ("metrics", "send asr_metrics: id='' module='asr' vendor='openai' "),
        ("asr_result", "send_asr_result: {"),
    ):
        sent = order.index(f"sent {name}")
        said = [i for i, text in enumerate(order) if text.startswith(line)]
        assert said, name
        assert min(said) > sent, name


def test_the_level_is_honoured(server, host_log):
    play(server, "ERROR")
    assert "send asr_finalize_end" in host_log.text  # the base's own
    ours = ("config: ", "vendor_status", "vendor_error", "vendor_result")
    assert not [t for t in host_log.lines if any(word in t for word in ours)]


def test_the_level_in_between(server, host_log):
    play(server, "INFO")
    assert "vendor_status_changed" in host_log.text
    assert "vendor_result" not in host_log.text


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


def test_the_watch_hears_what_ten_is_told(server):
    watch = KeyWatch()
    watch.listen_to_ten()
    try:
        with log_calls(lambda call: None):  # nobody stands in another's way
            play(server, "INFO")
        assert watch.count
        assert watch.found == set()
        watch.hear(LogCall(LogLevel.INFO, "", f"a key: {KEY}"))
    finally:
        watch.ears.close()
    assert watch.found == {("ten_env", KEY)}
