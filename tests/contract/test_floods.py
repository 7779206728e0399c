"""What a server sends without an end costs it the connection, or is told
ever more rarely; nobody is flooded, and the loop stays free."""

from __future__ import annotations

import json
from time import monotonic

import pytest
from asr_call import Call, properties, run_call, spoken
from hypothesis import example, given
from hypothesis import strategies as st
from raw_service import Manners, RawService
from ten_packages.extension.openai_asr_python.contract.reports import (
    Repeats,
)
from ten_packages.extension.openai_asr_python.realtime.shown import harmless
from ten_packages.extension.openai_asr_python.realtime.text_allowance import (
    TextAllowance,
    written_size,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

NON_FATAL = 1000


def str_of_keys(params: dict[str, object]) -> str:
    return ",".join(params)


def error_event(message: str) -> dict[str, object]:
    return {"type": "error", "error": {"message": message, "code": "odd"}}


def heard_errors(then: list[object], last: str) -> list[str]:
    """The error messages of a call up to one that ``last`` is in."""

    async def script(call: Call) -> None:
        await call.until(
            lambda: any(last in error["message"] for error in call.errors)
        )

    with RawService([Manners(then=then)]) as service:
        call = run_call(properties(service.url), script)
    assert set(call.codes) == {NON_FATAL}
    return [error["message"] for error in call.errors]


def test_an_error_that_keeps_coming_is_told_ever_more_rarely():
    flood = [error_event("again") for _ in range(20)]
    told = heard_errors([*flood, error_event("another")], "another")
    assert told == [
        "again",
        *(f"again ({n} times by now)" for n in (2, 4, 8, 16)),
        "another",
    ]


def test_a_long_text_that_grows_is_not_told_with_each_word():
    """2500 words come at once, behind a text of 40,000 letters."""
    item = {"item_id": "a", "content_index": 0}
    kind = "conversation.item.input_audio_transcription."
    words = ["x" * 40_000, *("y" for _ in range(2500))]
    then = [
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0}
        | item,
        *({"type": f"{kind}delta", "delta": f"{w} "} | item for w in words),
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900}
        | item,
        {"type": "input_audio_buffer.committed", "previous_item_id": None}
        | item,
        {"type": f"{kind}completed", "transcript": " ".join(words)} | item,
    ]

    async def script(call: Call) -> None:
        await call.send(spoken([[1]])[0])
        await call.until_finals(1)

    begin = monotonic()
    with RawService([Manners(then=then)]) as service:
        call = run_call(properties(service.url), script)
    seconds = monotonic() - begin
    interims = [r for r in call.of("asr_result") if not r["final"]]
    told = sum(len(interim["text"]) for interim in interims)
    assert 0 < told <= TextAllowance.A_SECOND * (seconds + 1)
    assert len(interims) <= 263 * (seconds + 1)
    # The last word is there, whatever was left out.
    assert call.finals[0]["text"].endswith(" y")
    assert len(call.finals[0]["text"]) > 44_000


USAGE = {f"{number:a<90}": "b" * 90 for number in range(64)}


@pytest.mark.parametrize(
    ("said", "size", "count"),
    [
        ({"transcript": "x" * 40_000}, 40_000, 6),
        ({"transcript": "x", "usage": USAGE}, 12_000, 20),
    ],
)
def test_finals_without_an_end_are_told_a_second_at_a_time(said, size, count):
    """A hundred come at once, with a long text, or else a long usage."""
    kind = "conversation.item.input_audio_transcription."
    then = []
    for number in range(100):
        item = {"item_id": f"item_{number}", "content_index": 0}
        before = f"item_{number - 1}" if number else None
        notice = {"type": "input_audio_buffer.committed"} | item
        then += [
            notice | {"previous_item_id": before},
            {"type": f"{kind}completed", **said} | item,
        ]

    async def script(call: Call) -> None:
        await call.send(spoken([[1]])[0])
        await call.until_finals(count)

    begin = monotonic()
    with RawService([Manners(then=then)]) as service:
        config = properties(service.url, stop_timeout_ms=200)
        call = run_call(config, script)
    seconds = monotonic() - begin
    assert call.codes == []
    assert len(call.finals) * size <= TextAllowance.A_SECOND * (seconds + 1)


class TestTextAllowance:
    def test_a_second_has_so_much_and_each_text_costs_what_is_around_it(self):
        allowance = TextAllowance()
        taken = sum(allowance.takes(0, 5.0) for _ in range(1000))
        assert taken == TextAllowance.A_SECOND // TextAllowance.AROUND
        taken = sum(allowance.takes(0, 5.5) for _ in range(1000))
        assert taken == TextAllowance.A_SECOND // TextAllowance.AROUND // 2

    @pytest.mark.parametrize("size", [0, 1000, 50_000, 10_000_000])
    def test_what_was_not_taken_is_when_it_said(self, size):
        allowance = TextAllowance()
        at = 1e6
        for _ in range(400):
            while not allowance.takes(size, at):
                [at] = allowance.times()
            assert allowance.times() == []
        # All but the last one are paid for.
        paid = 399 * (size + TextAllowance.AROUND)
        seconds = at - 1e6
        assert paid <= TextAllowance.A_SECOND * (seconds + 1.001)


@given(text=st.text(st.one_of(st.characters(), st.sampled_from('"\\\x1b'))))
@example(text="\U000e0001\ud800\u202e\x9b")
def test_a_size_in_a_log_is_not_more_than_was_counted(text):
    """In TEN's log, with JSON or without, and in the session log."""
    shown = [harmless(text), harmless(json.dumps(text, ensure_ascii=False))]
    for each in (*shown, json.dumps(text)):
        size = len(each.encode("utf-8", "surrogatepass"))
        # U+000D is two letters as JSON has it.
        short = sum(char in "\b\t\n\f\r" for char in text)
        assert size <= written_size(text) + 4 * short


class TestRepeats:
    def test_each_kind_has_its_own_count(self):
        repeats = Repeats()
        counts = [(repeats.count("a", 0), repeats.count("b", 0))]
        counts += [(repeats.count("a", 9), 0) for _ in range(8)]
        assert counts[0] == (1, 1)
        assert [a for a, _ in counts[1:]] == [2, 0, 4, 0, 0, 0, 8, 0]
        assert repeats.count("b", 9) == 2

    def test_what_stayed_away_begins_anew(self):
        repeats = Repeats()
        for _ in range(3):
            repeats.count("a", 0.0)
        assert repeats.count("a", 60.0) == 4
        assert repeats.count("a", 120.5) == 1

    def test_kinds_without_an_end_are_one(self):
        repeats = Repeats()
        told = [repeats.count(str(n), n / 100) for n in range(5000)]
        assert told[:32] == [1] * 32
        assert [n for n in told[32:] if n] == [2**n for n in range(13)]
        # Long after them there is room again.
        assert repeats.count("new", 200.0) == 1
        assert repeats.count("newer", 200.0) == 1


def test_finalizes_that_time_out_are_answered_each_and_told_ever_more_rarely():
    async def script(call: Call) -> None:
        await call.send(loud)
        for number in range(20):
            await call.finalize(str(number))
            # So that they do not wait for the same time.
            await call.send(loud[:160])
        await call.until(lambda: len(call.ends) == 20)

    loud, _ = spoken([[1]])
    with RawService([Manners()]) as service:
        config = properties(service.url, finalize_timeout_ms=1000)
        call = run_call(config, script)
    assert call.ends == [str(number) for number in range(20)]
    told = [e for e in call.errors if "of a finalize" in e["message"]]
    # The 1st, 2nd, 4th, 8th and 16th, whatever ms they name.
    assert len(told) == 5
    assert "(16 times by now)" in told[-1]["message"]


HUGE = "h" * 9000


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"input_audio_transcription": {"prompt": "p" * 600_000}}, "524288"),
        ({"headers": {f"X-{n}": f"secret-{n:09d}" for n in range(300)}}, "200"),
        ({"query": {f"x-{n}": f"secret-{n:09d}" for n in range(300)}}, "200"),
        ({"session": {"token": [f"{n:09d}" for n in range(300)]}}, "200"),
        ({"api_key": HUGE}, "8192"),
        ({"headers": {"X": HUGE}}, "8192"),
        # Made into pieces in every spelling that took more than five seconds.
        ({"headers": {f"X-{n}": f"secret-{n:0500d}" for n in range(49)}}, "24"),
        ({"query": {f"x-{n}": f"secret-{n:08000d}" for n in range(4)}}, "24"),
    ],
)
def test_a_configuration_that_would_hold_the_loop_is_refused(
    server, params, problem
):
    async def script(call: Call) -> None:
        result, error = await call.command(
            "update_configs", json.dumps({"params": params})
        )
        assert error is None
        assert result.get_property_int("code") == (-1, None)
        message, _ = result.get_property_string("message")
        assert problem in message
        assert "secret" not in message
        assert HUGE not in message

    run_call(properties(server.url), script)


SIZE = 400_000


@pytest.mark.parametrize(
    "params",
    [
        {"prompt": "%25" * (SIZE // 3)},
        {"keywords": [f"word{n:06d}" for n in range(SIZE // 30)]},
        {"languages": [f"x{n:05d}-{n:05d}" for n in range(SIZE // 30)]},
        {"session": {f"k{n}": "\\u005c" * 600 for n in range(SIZE // 3600)}},
        {"session": {"tracing": {"workflow_name": "&amp;" * (SIZE // 5)}}},
        {"organization": "&amp;" * (SIZE // 5)},
        {"headers": {"Accept": "&amp;" * (SIZE // 5)}},
        {"query": {"%25" * (SIZE // 3): "x"}},
    ],
    ids=str_of_keys,
)
def test_a_large_configuration_is_not_looked_through(
    server, params, monkeypatch
):
    """A line with half a million characters of escapes took the redactor, and
    so the loop, more than a second, and each update wrote one."""
    looked_at: list[int] = []
    known = Redactor.known

    def counted(redactor: Redactor, text: str) -> str:
        looked_at.append(len(text))
        return known(redactor, text)

    async def script(call: Call) -> None:
        # It has nothing to do with that.
        result, _ = await call.command(
            "update_configs", json.dumps({"params": {"stop_timeout_ms": 300}})
        )
        answers.append(result.get_property_int("code"))

    answers: list[object] = []
    monkeypatch.setattr(Redactor, "known", counted)
    # Such headers end a call where the server's refusal is faster.
    top = {"auto_connect": False}
    run_call(properties(server.url, top=top, **params), script)
    assert answers == [(0, None)]
    assert looked_at
    assert sum(looked_at) < SIZE // 4


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"model": "m" * 2000}, "transcription.model"),
        ({"base_url": "wss://gateway.example/" + "a/" * 9000}, "base_url"),
    ],
)
def test_names_have_a_length(server, params, field):
    """Metrics and attempts to connect repeat them."""

    async def script(call: Call) -> None:
        result, _ = await call.command(
            "update_configs", json.dumps({"params": params})
        )
        assert result.get_property_int("code") == (-1, None)
        assert field in result.get_property_string("message")[0]

    run_call(properties(server.url), script)


def padded(size: int) -> str:
    """An event of so many bytes."""
    event = {"type": "unknown", "padding": ""}
    event["padding"] = "x" * (size - len(json.dumps(event)))
    return json.dumps(event)


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1])
def test_a_message_of_more_than_1_mb_costs_the_connection(size):
    too_long = size > 1 << 20
    mild = Manners(then=[error_event("the end")])
    with RawService(
        [Manners(then=[padded(size), error_event("the end")]), mild]
    ) as service:

        async def script(call: Call) -> None:
            await call.until(
                lambda: [e for e in call.errors if e["message"] == "the end"]
            )

        call = run_call(properties(service.url), script)
    texts = [error["message"] for error in call.errors]
    assert len([t for t in texts if "more than 1 MB" in t]) == too_long
    assert service.connections == 1 + too_long
