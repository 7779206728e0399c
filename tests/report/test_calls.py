"""What a report knows of real calls, and of logs written by hand."""

from __future__ import annotations

import json

import pytest
from reported_call import frames, read, result, titles, tone

from devkit.report.bands import Band


def of_kind(log, kind):
    lines = map(json.loads, log.read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def test_a_real_call_is_read_as_it_was(faulty):
    session = read(faulty)
    finals = [
        line["result"]
        for line in of_kind(faulty, "result")
        if line["result"]["final"]
    ]
    done = [turn for turn in session.turns if turn.final]
    assert [turn.text for turn in done] == [each["text"] for each in finals]
    assert [turn.start_ms for turn in done] == [e["start_ms"] for e in finals]
    assert session.turns[-1].state == "given up"
    assert session.summary.turns == 3
    assert session.summary.words == 8
    assert all(turn.final_after_ms is not None for turn in done)
    assert not session.notes


def test_its_connections_and_what_was_sent_again(faulty):
    session = read(faulty)
    first, second = session.connections
    assert (first.code, second.code) == (1006, 1000)
    assert second.recovered
    (again,) = [band for band in session.bands if band.kind == "replayed"]
    assert again.end_ms - again.start_ms == second.replayed_ms > 0
    (lost,) = [band for band in session.bands if band.kind == "dropped"]
    (failed,) = of_kind(faulty, "failed")
    assert lost.start_ms == failed["start_ms"]
    (outage,) = [each for each in session.outages if not each.first]
    assert outage.failed == 1
    assert "503" in outage.reason
    assert outage.wall_ms == pytest.approx(second.opened_t - first.closed_t)


def test_what_happened_is_told_with_what_to_do(faulty):
    session = read(faulty)
    found = titles(session)
    assert found["The connection broke off"] == 1
    assert found["The server failed"] == 1
    assert found["The service failed to transcribe a turn"] == 1
    assert found["The configuration changed"] == 1
    # What was lost comes first.
    assert session.happenings[0].severity == "bad"
    assert all(each.advice.todo for each in session.happenings)


def test_finalizes_have_their_answers(faulty):
    one, two = read(faulty).finalizes
    assert (one.name, two.name) == ("one", "two")
    for end in (one, two):
        assert end.waited_ms is not None
        assert 0 <= end.waited_ms < end.bound_ms


def test_latencies_are_by_the_wall_clock(session_of):
    audio = tone(4)
    session = session_of(
        [
            # 2 s as they were said; then nothing for 5 s; then the rest.
            frames(1000, audio[: 2 * 32000]),
            result(2500, "so", 500, 900, final=False),
            frames(8000, audio[2 * 32000 :]),
            result(9500, "so far", 500, 2500),
        ],
        audio,
    )
    (turn,) = session.turns
    # It began 500 ms into the audio, whose last 10 ms came at 1490.
    assert turn.first_after_ms == pytest.approx(2500 - 1490)
    # It ended at 3000 ms: one second after the pause of five.
    assert turn.final_after_ms == pytest.approx(9500 - 8990)
    assert turn.interims[0].at_ms == pytest.approx(1510)
    assert turn.final.at_ms == pytest.approx(3510)
    assert session.summary.final_after.p50 == turn.final_after_ms
    assert titles(session)["No audio came"] == 1


def test_a_text_of_audio_that_never_came_has_no_latency(session_of):
    session = session_of([result(10, "before", 0, 900)])
    assert session.turns[0].final_after_ms is None
    assert session.summary.final_after.p50 is None


def test_a_turn_without_text_and_one_without_an_end(session_of):
    info = {"metadata": {"asr_info": {"item_id": "one"}}}
    session = session_of(
        [
            frames(0, tone(3)),
            result(900, "uh", 100, 500, final=False, **info),
            {
                "t": 1000,
                "kind": "empty",
                "item_id": "one",
                "start_ms": 100,
                "duration_ms": 700,
            },
            result(2000, "and then", 1500, 500, final=False),
        ],
        tone(3),
    )
    assert [turn.state for turn in session.turns] == [
        "without text",
        "no final",
    ]
    assert [turn.number for turn in session.turns] == [1, 2]
    assert session.turns[0].interims[0].text == "uh"
    assert session.summary.turns == 0


def test_an_early_final_and_a_finalize_at_its_bound(session_of):
    session = session_of(
        [
            frames(0, tone(3)),
            {"t": 3000, "kind": "finalize", "finalize_id": "a"},
            result(
                7990,
                "half of",
                500,
                900,
                metadata={"asr_info": {"early": True}},
            ),
            {"t": 7995, "kind": "finalize_end", "finalize_id": "a"},
            {"t": 8000, "kind": "finalize", "finalize_id": "b"},
        ],
        tone(3),
    )
    found = titles(session)
    assert found["A turn ended early, with its text so far"] == 1
    assert found["A finalize was answered at its bound"] == 1
    assert found["A finalize has no answer in the log"] == 1
    assert session.turns[0].state == "early"


def test_dropped_audio_is_told_by_its_line_or_by_its_error(session_of):
    error = {
        "t": 50,
        "kind": "error",
        "code": 1000,
        "message": "audio dropped: 700 ms from 1200 ms on; the buffer is full",
    }
    wanted = [("dropped", 1200, 1900)]

    def places(bands: list[Band]) -> list[tuple[str, float, float]]:
        return [(band.kind, band.start_ms, band.end_ms) for band in bands]

    assert places(session_of([frames(0, tone(3)), error]).bands) == wanted
    line = {
        "t": 49,
        "kind": "dropped",
        "start_ms": 1200,
        "duration_ms": 700,
        "cause": "overflow",
    }
    session = session_of([frames(0, tone(3)), line, error], tone(3))
    assert places(session.bands) == wanted
    assert titles(session)["Audio was dropped: the buffer was full"] == 1


def test_a_service_that_is_silent_while_somebody_speaks_is_told(session_of):
    said = {"kind": "received", "connection": 1, "event": {"type": "x"}}
    lines = [
        {"t": 0, "kind": "opened", "connection": 1},
        frames(0, tone(20)),
        {"t": 0, **said},
        {"t": 15000, "kind": "speech", "start_ms": 2000, "end_ms": 14000},
        {"t": 16000, **said},
    ]
    wanted = "The service was silent while somebody spoke"
    assert titles(session_of(lines, tone(20)))[wanted] == 1
    lines[3]["end_ms"] = 3000
    assert wanted not in titles(session_of(lines, tone(20)))


def test_the_prices_of_the_models_that_were_used(session_of):
    def session(model, wishes=None):
        info = {"metadata": {"asr_info": {"model": model}}}
        return session_of(
            [frames(0, tone(6)), result(6000, "a b", 0, 6000, **info)],
            tone(6),
            wishes=wishes,
        )

    summary = session("gpt-transcribe").summary
    assert summary.cost == pytest.approx(0.00045)
    # A dated one is the same.
    summary = session("gpt-4o-mini-transcribe-2025-12-15").summary
    assert summary.cost == pytest.approx(0.0003)
    summary = session("someone-elses").summary
    assert summary.cost is None
    assert summary.unpriced == ("someone-elses",)
    summary = session(
        "someone-elses", {"prices": {"someone-elses": 1.0}}
    ).summary
    assert summary.cost == pytest.approx(0.1)


def test_the_services_own_count_is_what_is_billed(session_of):
    event = {
        "type": "conversation.item.input_audio_transcription.completed",
        "usage": {"type": "duration", "seconds": 12},
    }
    session = session_of(
        [
            frames(0, tone(6)),
            {"t": 6000, "kind": "received", "connection": 1, "event": event},
            result(6000, "a b", 0, 6000),
            {
                "t": 7000,
                "kind": "counters",
                "counters": {"billed_ms": 6000, "saved_ms": 4000},
            },
        ],
        tone(6),
    )
    assert session.summary.billed_ms == 12_000
    assert session.summary.cost == pytest.approx(12 / 60 * 0.017)
    assert session.summary.counters["saved_ms"] == 4000
