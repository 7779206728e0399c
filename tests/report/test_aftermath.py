"""What is advised fits how the call went on."""

from __future__ import annotations

from typing import Any

import pytest
from reported_call import frames, result, titles, tone

from devkit.report.verdict import verdict_of

_BOUND = (
    "no final result within 500 ms of a finalize; it follows when the service"
    " answers"
)
_STOPPED = (
    "audio dropped: 1000 ms from 2000 ms on; the call was stopped before it"
    " was transcribed"
)
_END = "The end of the call was not transcribed"


def error(t: float, message: str, code: int = 1000) -> dict[str, Any]:
    return {"t": t, "kind": "error", "code": code, "message": message}


def finalize(t: float, end: str = "") -> dict[str, Any]:
    return {"t": t, "kind": f"finalize{end}", "finalize_id": "a"}


def received(t: float, kind: str, item: str) -> dict[str, Any]:
    event = {"type": kind, "item_id": item}
    return {"t": t, "kind": "received", "connection": 1, "event": event}


def committed(t: float, item: str) -> dict[str, Any]:
    return received(t, "input_audio_buffer.committed", item)


def given_up(t: float) -> list[dict[str, Any]]:
    """A key that is wrong, 2 s of audio, and what became of them."""
    text = "audio dropped: 2000 ms from 0 ms on; the call was given up"
    lost = {"start_ms": 0, "duration_ms": 2000, "cause": "given_up"}
    return [
        {"t": 4, "kind": "opened", "connection": 1},
        {"t": 5, "kind": "closed", "connection": 1, "code": 3000},
        error(6, "Incorrect API key (type x, code invalid_api_key)", -1000),
        frames(7, tone(2)),
        {"t": t, "kind": "dropped", **lost},
        error(t, text),
    ]


@pytest.mark.parametrize(
    ("finalizes", "said", "unsaid"),
    [
        ([], "Send asr_finalize", "was sent"),
        ([finalize(3000)], "wait for that", "Send asr_finalize"),
        (
            [finalize(3000), finalize(3500, "_end")],
            "sent and answered",
            "Send asr_finalize",
        ),
        # It was about other audio.
        ([finalize(1000), finalize(1100, "_end")], "Send asr_finalize", "was"),
    ],
)
def test_a_finalize_that_was_sent_is_not_advised(
    session_of, finalizes, said, unsaid
):
    lines = [frames(0, tone(3)), *finalizes, error(6000, _STOPPED)]
    (found,) = [
        each
        for each in session_of(lines, tone(3)).happenings
        if each.advice.title == _END
    ]
    assert said in found.advice.todo
    assert unsaid not in found.advice.todo


@pytest.mark.parametrize(
    ("came", "title"),
    [
        ([], "A finalize ran into its bound, and no text came afterwards"),
        ([result(4000, "a", 2000, 800)], "A finalize ran into its bound"),
        (
            [
                result(
                    3499, "a", 2000, 8, metadata={"asr_info": {"early": True}}
                )
            ],
            "A finalize ran into its bound, and took the text so far",
        ),
    ],
)
def test_a_text_follows_a_finalize_only_if_it_came(session_of, came, title):
    lines = [frames(0, tone(3)), finalize(3000), error(3500, _BOUND), *came]
    lines.append(finalize(3501, "_end"))
    lines.sort(key=lambda line: line["t"])
    session = session_of(lines, tone(3))
    assert title in titles(session)
    for each in session.happenings:
        assert "the text follows" not in each.advice.todo


def test_turns_that_the_service_took_and_never_answered(session_of):
    title = "Turns were committed and never got a text"
    failed = "conversation.item.input_audio_transcription.failed"
    done = {"metadata": {"asr_info": {"item_id": "done"}}}
    before = [
        {"t": 1, "kind": "opened", "connection": 1},
        frames(2, tone(3)),
        committed(1000, "done"),
        committed(1500, "nothing"),
        committed(2000, "wrong"),
        result(2100, "a", 0, 900, **done),
        {"t": 2101, "kind": "empty", "item_id": "nothing"},
        received(2102, failed, "wrong"),
    ]
    assert title not in titles(session_of(before, tone(3)))
    lines = [*before, committed(2200, "one"), committed(2300, "two")]
    assert titles(session_of(lines, tone(3)))[title] == 2
    # The next connection gets them again, as other items.
    lines.append({"t": 2400, "kind": "opened", "connection": 2})
    assert title not in titles(session_of(lines, tone(3)))


def test_a_call_that_was_given_up_lost_its_audio(session_of):
    session = session_of(given_up(2500), tone(2))
    title = "There was no connection any more: the call had been given up"
    (found,) = [h for h in session.happenings if h.advice.title == title]
    assert found.severity == "bad"
    assert "2.00 s of audio were lost" in found.places[0].text
    assert verdict_of(session).startswith("The call was given up. 2.00 s")
    for each in session.happenings:
        assert "sent again" not in each.advice.todo


def test_a_call_that_was_revived(session_of):
    session = session_of(
        [
            *given_up(2500),
            # Its connections are counted anew.
            {"t": 2510, "kind": "opened", "connection": 1},
            {"t": 2520, "kind": "ready", "session_id": "s"},
            {"t": 2530, "kind": "config", "config": {}},
            frames(2540, tone(2)),
            result(4600, "a", 2100, 900),
        ],
        tone(4),
    )
    assert verdict_of(session).startswith(
        "The call was given up, and went on after an update. 2.00 s"
    )
    found = titles(session)
    assert found["The call was given up, and went on later"] == 1
    assert "The first connection took long" not in found
    assert "There was no connection" not in found
    assert len(session.connections) == 2


def test_a_refusal_is_no_slow_start(session_of):
    session = session_of(
        [
            frames(0, tone(3)),
            {"t": 2600, "kind": "connect_failed", "reason": "HTTP 401"},
            error(2601, "the server answered HTTP 401: no", -1000),
            {"t": 2900, "kind": "opened", "connection": 1},
        ],
        tone(3),
    )
    assert "The first connection took long" not in titles(session)


def test_an_outage_that_lost_audio_does_not_say_that_it_was_kept(session_of):
    lost = {"start_ms": 1000, "duration_ms": 800, "cause": "overflow"}
    lines = [
        {"t": 0, "kind": "opened", "connection": 1},
        frames(0, tone(4)),
        {"t": 900, "kind": "closed", "connection": 1, "code": 1006},
        {"t": 2500, "kind": "dropped", **lost},
        {"t": 3000, "kind": "opened", "connection": 2},
    ]
    found = titles(session_of(lines, tone(4)))
    assert found["There was no connection, and audio was lost"] == 1
    del lines[3]
    found = titles(session_of(lines, tone(4)))
    assert found["There was no connection"] == 1
    found = titles(session_of(lines[:-1], tone(4)))
    assert found["There was no connection any more"] == 1
