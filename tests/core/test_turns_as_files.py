"""Turns that are sent as files: the events of a session without one."""

from __future__ import annotations

import json
import wave
from base64 import b64encode
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.audio.g711 import encode
from ten_packages.extension.openai_asr_python.audio.wav import wav_file
from ten_packages.extension.openai_asr_python.connection.file_answers import (
    MAX_BODY,
    FileAnswer,
)
from ten_packages.extension.openai_asr_python.connection.file_session import (
    FileSession,
)
from ten_packages.extension.openai_asr_python.realtime.client_events import (
    append_event,
    clear_event,
    commit_event,
    session_update_event,
)
from ten_packages.extension.openai_asr_python.realtime.errors import ErrorInfo
from ten_packages.extension.openai_asr_python.realtime.events import (
    ServerEvent,
    parse_event,
)
from ten_packages.extension.openai_asr_python.realtime.faults import (
    BAD_GATEWAY,
    RULES,
    TRY_LATER,
    fault_of_close,
    wish_s,
)
from ten_packages.extension.openai_asr_python.realtime.file_refusals import (
    refusal_of_file,
)
from ten_packages.extension.openai_asr_python.realtime.sent_audio import (
    SentAudio,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    SessionSettings,
)
from ten_packages.extension.openai_asr_python.realtime.timed_text import (
    timed_in,
    within,
)
from ten_packages.extension.openai_asr_python.service.files import (
    MAX_FILE,
    FileRequest,
)

REFUSED, NO_QUOTA = "invalid_request_error", "insufficient_quota"
NAMES = (
    *("text", "words", "segments", "phrases", "speaker", "start", "end"),
    *("word", "type", "error", "language", "languages", "usage"),
    "combinedPhrases",
)
#: A tenth of a second, the least that is committed.
TENTH = bytes(4800)


class Session(FileSession):
    """With the settings that were sent to it; events are read by type."""

    def __init__(
        self, request: FileRequest | None = None, **settings: object
    ) -> None:
        super().__init__(request or FileRequest())
        asked = SessionSettings(**{"model": "whisper-1", **settings})
        self.receive(session_update_event(asked, "ga", "evt"))

    def told(self) -> list[tuple[str, ServerEvent]]:
        events = [parse_event(event) for event in self.events]
        self.events.clear()
        return [(event.type, event) for event in events]

    def turn(self, data: bytes = TENTH):
        self.receive(append_event(data))
        self.receive(commit_event("evt_commit"))
        return self.uploads.popleft()


def test_a_session_is_there_at_once():
    session = FileSession(FileRequest())
    [event] = map(parse_event, session.events)
    assert event.type == "session.created"
    assert event.object("session")["id"].startswith("sess_")
    assert [kind for kind, _ in Session().told()] == [
        "session.created",
        "session.updated",
    ]


def test_a_commit_makes_a_file_of_the_audio_before_it():
    session = Session()
    first = session.turn(TENTH + b"\1\0")
    second = session.turn()
    kinds = session.told()[2:]
    assert [kind for kind, _ in kinds] == ["input_audio_buffer.committed"] * 2
    assert [event.fields["previous_item_id"] for _, event in kinds] == [
        None,
        first.item_id,
    ]
    assert kinds[1][1].identity("item_id") == second.item_id
    assert first.length_ms == pytest.approx(100 + 1 / 24)
    assert second.begin_ms == first.length_ms
    with wave.open(BytesIO(first.take_file())) as file:
        assert file.getframerate() == 24000
        assert file.readframes(9999) == TENTH + b"\1\0"
    # It is held once.
    assert first.audio == b""


def test_cleared_audio_is_in_no_file_but_counts_for_the_time():
    session = Session()
    session.receive(append_event(TENTH))
    session.receive(clear_event())
    upload = session.turn()
    assert (upload.begin_ms, upload.length_ms) == (100, 100)


def test_too_little_audio_is_nothing_to_commit():
    session = Session()
    session.receive(append_event(TENTH[2:]))
    session.receive(commit_event("evt_7"))
    kind, event = session.told()[-1]
    assert kind == "error"
    assert event.object("error")["code"] == "input_audio_buffer_commit_empty"
    assert event.object("error")["event_id"] == "evt_7"
    assert not session.uploads
    # What is there is a part of the next turn.
    session.receive(append_event(b"\0\0"))
    session.receive(commit_event("evt_8"))
    assert session.uploads[0].begin_ms == 0


def test_more_than_a_file_can_hold_fails():
    session = Session()
    for _ in range(MAX_FILE // 1_000_000 + 2):
        session.receive(append_event(bytes(1_000_000)))
    session.receive(commit_event("evt"))
    kind, event = session.told()[-1]
    assert kind == "conversation.item.input_audio_transcription.failed"
    assert event.object("error")["code"] == "file_too_large"
    assert not session.uploads
    # The time goes on.
    assert session.turn().begin_ms == (MAX_FILE // 1_000_000 + 2) * 1e6 / 48


def test_no_more_is_held_than_a_call_can_need():
    session = Session()
    held = []
    while not held or session.uploads:
        held += session.uploads
        session.uploads.clear()
        session.receive(append_event(bytes(20_000_000)))
        session.receive(commit_event("evt"))
    assert len(held) == 5
    assert session.told()[-1][1].object("error")["code"] == "too_slow"
    # Until one is answered.
    session.forget(held[0])
    assert session.turn(bytes(20_000_000)).held == 20_000_000


@pytest.mark.parametrize(
    ("request_", "settings", "fields"),
    [
        (FileRequest(), {}, {"response_format": "json"}),
        (
            FileRequest(stream=True),
            {
                "languages": ("en", "de"),
                "prompt": "so",
                "keywords": ("TEN",),
                "include": ("item.input_audio_transcription.logprobs",),
            },
            {
                "languages": ["en", "de"],
                "prompt": "so",
                "keywords": ["TEN"],
                "include": ["logprobs"],
                "response_format": "json",
                "stream": True,
            },
        ),
        (
            FileRequest("verbose_json", words=True),
            {"language": "en"},
            {
                "language": "en",
                "response_format": "verbose_json",
                "timestamp_granularities": ["word"],
            },
        ),
        (
            FileRequest("diarized_json", chunks=True),
            {},
            {"response_format": "diarized_json", "chunking_strategy": "auto"},
        ),
    ],
)
def test_what_a_request_asks_for(request_, settings, fields):
    upload = Session(request_, **settings).turn()
    assert upload.fields == {"model": "whisper-1", **fields}


@pytest.mark.parametrize("law", ["ulaw", "alaw"])
def test_companded_audio_becomes_plain(law):
    samples = np.arange(-8000, 8000, 20, dtype=np.int16)
    session = Session(wire_format=f"g711_{law}")
    upload = session.turn(encode(samples, law).tobytes())
    with wave.open(BytesIO(upload.take_file())) as file:
        assert file.getframerate() == 8000
        data = np.frombuffer(file.readframes(9999), np.int16)
    assert np.abs(data - samples).max() <= 260
    assert upload.length_ms == len(samples) / 8
    with pytest.raises(ValueError, match="law"):
        wav_file(b"", 8000, "other")  # type: ignore[arg-type]


# -- answers ----------------------------------------------------------------


def read(
    body: bytes, kind: str = "application/json", size: int = 7
) -> list[dict]:
    answer = FileAnswer(kind, 1000.0, 2000.0)
    events = []
    for at in range(0, len(body), size):
        events += answer.feed(body[at : at + size])
    events += answer.end()
    assert answer.over
    assert answer.feed(b"more") == answer.end() == []
    return [dict(event) for event in events]


def sse(*events: dict | str) -> bytes:
    texts = (e if isinstance(e, str) else json.dumps(e) for e in events)
    return b"".join(f"data: {text}\r\n\r\n".encode() for text in texts)


STREAM = "text/event-stream; charset=utf-8"
DONE = {"type": "transcript.text.done", "text": "one two", "usage": {"a": 1}}


def test_a_text_in_one_piece():
    usage = {"type": "duration", "seconds": 2}
    body = {"text": "one", "usage": usage, "languages": [{"code": "de"}]}
    [event] = read(json.dumps(body).encode())
    assert event == {
        "type": "completed",
        "transcript": "one",
        "usage": usage,
        "languages": [{"code": "de"}],
        "words": [],
        "speakers": [],
    }


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_a_text_in_pieces(size):
    body = sse(
        {"type": "transcript.text.delta", "delta": "one"},
        {"type": "what.ever"},
        ": no data",
        {"type": "transcript.text.delta", "delta": " two", "logprobs": [{}]},
        DONE,
        {"type": "transcript.text.delta", "delta": " three"},
    )
    first, second, last = read(body, STREAM, size)
    assert first == {"type": "delta", "delta": "one"}
    assert second == {"type": "delta", "delta": " two", "logprobs": [{}]}
    assert (last["type"], last["transcript"]) == ("completed", "one two")
    assert last["usage"] == {"a": 1}


def test_a_server_may_not_stream_where_it_was_asked_to():
    assert read(b'{"text": "one"}')[0]["transcript"] == "one"


def test_a_stream_of_nothing_is_not_read_as_json():
    """To find that something is none takes longest: 0.5 s for 1 MB."""
    answer = FileAnswer("text/event-stream", 0, 1000)
    assert answer.feed(b'data\n\ndata:{\n\ndata: {"error": 1}\n\n') == []
    assert not answer.over


def test_segments_of_a_stream_name_the_speakers():
    said = {"type": "transcript.text.segment", "start": 0.5, "end": 1.5}
    [event] = read(sse({**said, "speaker": "A", "text": " one"}, DONE), STREAM)
    assert event["speakers"] == [
        {"text": " one", "start_ms": 1500, "end_ms": 2500, "speaker": "A"}
    ]


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"", "", "invalid_answer"),
        (b"<html>", "text/html", "invalid_answer"),
        (b'{"text": null}', "", "invalid_answer"),
        (b'{"a":' * 60_000, "", "invalid_answer"),
        (
            b'{"text": "so", "a": [' + b"[]," * 60_000 + b"7]}",
            "",
            "invalid_answer",
        ),
        (b"x" * (MAX_BODY + 1), "", "invalid_answer"),
        (b"\n" * (MAX_BODY + 1), STREAM, "invalid_answer"),
        (b"", STREAM, "invalid_answer"),
        (sse({"type": "transcript.text.delta"}), STREAM, "invalid_answer"),
        (b'{"error": {"code": "odd"}}', "", "odd"),
        (sse({"error": {"code": "odd"}}), STREAM, "odd"),
        (sse({"type": "error", "code": "odd"}), STREAM, "odd"),
    ],
    ids=range(12),
)
def test_what_is_no_answer_is_a_failure(body, kind, code):
    event = read(body, kind, 65536)[-1]
    assert event["type"] == "failed"
    assert event["error"]["code"] == code


def test_words_stand_beside_the_text_or_in_its_parts():
    word = {"word": "one", "start": 0.25, "end": 0.5}
    shown = [{"text": "one", "start_ms": 1250, "end_ms": 1500}]
    for place in ({"words": [word]}, {"segments": [{"words": [word]}]}):
        [event] = read(json.dumps({"text": "one", **place}).encode())
        assert event["words"] == shown


@pytest.mark.parametrize("part", ["words", "segments"])
def test_more_words_than_anybody_says_have_no_times(part: str):
    many = [
        {"word": "a", "text": "a", "speaker": "b", "start": 0.1, "end": 0.1}
    ] * 5001
    for entries in (many, many[1:]):
        [event] = read(json.dumps({"text": "a", part: entries}).encode())
        found = event["words" if part == "words" else "speakers"]
        assert len(found) == (0 if entries is many else 5000)


@pytest.mark.parametrize(
    "times",
    [
        [(-0.5, -0.2), (0.3, 0.4)],
        [(0.3, 0.4), (500.0, 500.2)],
        [(0.6, 0.7), (0.3, 0.4)],
        [(0.3, 0.2), (0.4, 0.5)],
        [(0.3, 0.4), (float("nan"), 0.5)],
    ],
)
def test_words_with_an_impossible_time_are_none(times):
    """One mistake may be one of all."""
    words = [{"word": "so", "start": a, "end": b} for a, b in times]
    [event] = read(json.dumps({"text": "so so", "words": words}).encode())
    assert event["words"] == []
    assert event["transcript"] == "so so"


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("de", [{"code": "de"}]),
        ("yue", [{"code": "yue"}]),
        ("german", []),
        (7, []),
    ],
)
def test_the_name_of_a_language_is_no_code(language, told):
    [event] = read(json.dumps({"text": "", "language": language}).encode())
    assert event["languages"] == told


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(NAMES),
                    inner,
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.sampled_from(["", STREAM]),
)
def test_nothing_that_comes_raises(body, kind):
    session = Session()
    upload = session.turn()
    for data in (body, b"data: " + body + b"\n\n"):
        answer = FileAnswer(kind, 0.0, 100.0)
        session.answer(upload, answer.feed(data) + answer.end())
    for _, event in session.told():
        timed_in(event, "words", lambda ms: ms, 1.0)
        timed_in(event, "speakers", lambda ms: ms, 1.0)


# -- refusals ---------------------------------------------------------------


def error_body(**fields: str) -> bytes:
    return json.dumps({"error": fields}).encode()


@pytest.mark.parametrize("rule", [r for r in RULES if r.where == "file"])
def test_each_row_about_files(rule):
    low, _, high = rule.sign.partition("-")
    refusal = refusal_of_file(int(low))
    assert refusal.close_code == (
        BAD_GATEWAY if rule.verdict == "retry" else None
    )
    assert refusal.error.code == low
    assert rule.meaning in refusal.error.message
    assert refusal_of_file(int(high or low)).error.code == (high or low)


@pytest.mark.parametrize("rule", [r for r in RULES if r.where == "code"])
def test_a_code_decides_first(rule):
    refusal = refusal_of_file(418, error_body(code=rule.sign))
    assert (refusal.close_code is not None) is (rule.verdict == "fatal")


def fastapi(*place: str) -> bytes:
    """The body of an HTTP 422 as FastAPI writes it."""
    problem = {"loc": [*place], "msg": "Field required", "type": "missing"}
    return json.dumps({"detail": [problem]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "close_code", "code", "kind"),
    [
        (401, b"", 3000, "401", REFUSED),
        (403, b"no", 3000, "403", REFUSED),
        (402, error_body(type="billing"), 4000, "402", REFUSED),
        (307, b"", 4000, "307", REFUSED),
        (
            400,
            error_body(param="language"),
            4000,
            "400",
            "invalid_request_error",
        ),
        (400, error_body(param="file"), None, "400", REFUSED),
        (422, fastapi("body", "model"), 4000, "422", REFUSED),
        (422, fastapi("body", "file"), None, "422", "missing"),
        (422, fastapi(), None, "422", "missing"),
        (400, error_body(type="odd"), None, "400", "odd"),
        (500, b"", None, "500", "server_error"),
        (503, error_body(type="server_error"), None, "503", "server_error"),
        (503, b"", BAD_GATEWAY, "503", "server_error"),
        (429, b"", None, "429", "server_error"),
        (
            429,
            error_body(type="insufficient_quota"),
            4000,
            "429",
            "insufficient_quota",
        ),
    ],
)
def test_what_a_status_means(status, body, close_code, code, kind):
    refusal = refusal_of_file(status, body)
    assert refusal.close_code == close_code
    assert (refusal.error.code, refusal.error.type) == (code, kind)
    if close_code is not None:
        fault = fault_of_close(close_code, "", refusal.error)
        assert fault.fatal is (close_code != BAD_GATEWAY)
        assert fault.verdict in ("fatal", "retry")


def test_the_named_time_goes_along():
    refusal = refusal_of_file(429, error_body(message="later"), "2.5")
    assert wish_s(refusal.error) == 2.5
    assert refusal.error.message.endswith("later")
    # A gateway that names one is there.
    assert refusal_of_file(503, b"", "2").close_code is None
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert wish_s(refusal_of_file(429, b"", date, 1445412470.0).error) == 10
    assert wish_s(refusal_of_file(429).error) == 0


@pytest.mark.parametrize(
    ("status", "body", "header", "code"),
    [
        (429, b"", "10", None),
        (429, b"", "60", TRY_LATER),
        (503, b"", "60", TRY_LATER),
        (500, b"", "60", TRY_LATER),
        (429, error_body(message="try again in 60s"), "", TRY_LATER),
        (429, error_body(code="rate_limit_exceeded"), "60", TRY_LATER),
        (413, b"", "60", None),
        (429, error_body(code="insufficient_quota"), "60", 4000),
    ],
)
def test_a_long_time_is_that_of_all_turns(status, body, header, code):
    refusal = refusal_of_file(status, body, header)
    assert refusal.close_code == code
    if code == TRY_LATER:
        fault = fault_of_close(code, "", refusal.error)
        assert (fault.verdict, fault.retry_after) == ("retry", 60)


# -- times ------------------------------------------------------------------


def event_of(*words: tuple[str, float, float]) -> ServerEvent:
    entries = [
        {"text": text, "start_ms": start, "end_ms": end}
        for text, start, end in words
    ]
    return ServerEvent({"type": "completed", "words": entries})


def test_words_lie_where_they_were_said_also_behind_skipped_silence():
    audio = SentAudio(24000)
    audio.append(24000)
    audio.skip_to(10 * 24000)
    audio.append(24000)
    event = event_of(("one", 500, 1000), ("two", 1200, 1500))
    timed = timed_in(event, "words", audio.position_of_ms, 11.0)
    shown = within(timed, 400, 11000, 24000)
    # To within a ms.
    assert [(w.text, w.start_ms, w.duration_ms) for w in shown] == [
        ("one", 500, 499),
        ("two", 10200, 299),
    ]


@given(
    st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 5000)), max_size=9),
    st.integers(0, 3000),
    st.integers(0, 3000),
)
def test_shown_times_lie_within_the_turn_and_in_order(times, begin, length):
    event = event_of(*(("w", start, end) for start, end in times))
    timed = timed_in(event, "words", lambda ms: ms * 24, 1.0)
    shown = within(timed, begin, begin + length, 24000)
    assert len(shown) == len(times)
    last = begin
    for word in shown:
        assert last <= word.start_ms
        assert word.duration_ms >= 0
        assert word.start_ms + word.duration_ms <= begin + length
        last = word.start_ms


def test_base64_is_that_of_the_event():
    session = Session()
    message = {"type": "input_audio_buffer.append"}
    audio = b64encode(TENTH).decode()
    session.receive(json.dumps({**message, "audio": audio}))
    session.receive(commit_event("evt"))
    assert session.uploads[0].audio == TENTH
    session.fail(session.uploads[0], ErrorInfo("t", "c", "so", "p"))
    assert session.told()[-1][1].object("error") == {
        "type": "t",
        "code": "c",
        "message": "so",
        "param": "p",
    }


MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("comment", [b"", b":\n", b": still at it\n"])
def test_what_a_stream_has_beside_its_events_is_passed_over(mark, comment):
    answer = FileAnswer(STREAM, 0, 1000)
    done = b'data: {"type": "transcript.text.done",\n'
    rest = b'data: "text": "one"}\n\n'
    [event] = answer.feed(mark + comment + done + comment + rest)
    assert event["transcript"] == "one"


def test_a_mark_before_an_answer_is_no_part_of_it():
    answer = FileAnswer("application/json", 0, 1000)
    assert answer.feed(MARK + b'{"text": "one"}') == []
    [event] = answer.end()
    assert event["transcript"] == "one"
