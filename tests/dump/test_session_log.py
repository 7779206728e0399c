"""What the log tells of a call, and what it must not tell."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from datetime import datetime, timezone
from pathlib import Path

import pytest
from asr_call import Call, run_call, spoken, text_of
from dumped_call import dumping, lines_of, logged_bytes, of_kind
from ten_packages.extension.openai_asr_python.recording import session_log
from ten_packages.extension.openai_asr_python.recording.session_log import (
    SessionLog,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor

TURNS = [[1, 2, 3], [4, 5]]
KEY = "sk-test-0123456789"
ROOT = Path(__file__).parent.parent.parent


def test_the_log_tells_the_whole_call(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)
    before = time.time()

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("one")
        await call.send(audio)
        await call.until_finalized("two")

    call = run_call(dumping(server.url, path), script)
    lines = lines_of(path)
    header = lines[0]
    assert header["kind"] == "session"
    assert header["format"] == 1
    assert header["audio"] == "call.pcm"
    manifest = json.loads((ROOT / "manifest.json").read_text())
    assert header["version"] == manifest["version"]
    started = datetime.fromisoformat(header["started"])
    assert started.tzinfo == timezone.utc
    assert before - 1 <= started.timestamp() <= time.time()
    request = header["config"]["input_audio_transcription"]
    assert request["model"] == "gpt-4o-transcribe"

    frames = of_kind(lines, "frames")
    assert logged_bytes(lines) == 2 * audio.nbytes
    assert frames[0]["rate"] == 16000
    assert frames[0]["channels"] == 1
    assert frames[0]["width"] == 2
    # The format is told once, and like frames share a line.
    assert not any("rate" in line for line in frames[1:])
    assert len(frames) < 2 * audio.nbytes / 320 / 4

    asked = [line["finalize_id"] for line in of_kind(lines, "finalize")]
    ended = [line["finalize_id"] for line in of_kind(lines, "finalize_end")]
    assert asked == ended == ["one", "two"]
    results = [line["result"] for line in of_kind(lines, "result")]
    assert results == call.results

    assert len(of_kind(lines, "opened")) == 1
    (closed,) = of_kind(lines, "closed")
    assert closed["code"] == 1000
    (session,) = server.sessions
    sent = sum(line["bytes"] for line in of_kind(lines, "appended"))
    assert sent == session.audio_bytes
    transcripts = [
        line["event"].get("transcript")
        for line in of_kind(lines, "received")
        if line["event"]["type"].endswith("transcription.completed")
    ]
    # A silent turn has an empty one.
    assert [text for text in transcripts if text] == call.texts
    assert of_kind(lines, "sent")[0]["event"]["type"] == "session.update"

    finalize = lines.index(of_kind(lines, "finalize")[0])
    assert logged_bytes(lines[:finalize]) == audio.nbytes


def test_times_grow_but_for_batches_that_overlap(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    run_call(dumping(server.url, path), script)
    lines = lines_of(path)
    batched = ("frames", "appended")
    for kinds in (("frames",), ("appended",)):
        times = [line["t"] for line in lines if line["kind"] in kinds]
        assert times == sorted(times)
    others = [line["t"] for line in lines if line["kind"] not in batched]
    assert others == sorted(others)
    for line in lines:
        assert line.get("until", line["t"]) >= line["t"]


def test_a_change_of_the_format_is_told(server, tmp_path):
    path = tmp_path / "call.pcm"

    async def script(call: Call) -> None:
        await call.send(bytes(3200), 16000)
        await call.send(bytes(3200), 8000, channels=2)
        await call.send(bytes(3200), fields=False)
        await call.until_finalized("end")

    run_call(dumping(server.url, path), script)
    frames = of_kind(lines_of(path), "frames")
    formats = [
        (line["rate"], line["channels"], line["width"])
        for line in frames
        if "rate" in line
    ]
    assert formats == [(16000, 1, 2), (8000, 2, 2), (0, 0, 0)]


def test_errors_and_lost_connections_are_told(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finals(1)
        server.stop_listening()
        server.drop_connections(abort=True)
        await call.until(lambda: len(call.errors) >= 2)
        server.start_listening()
        await call.until_finalized("end")

    config = dumping(server.url, path, finalize_timeout_ms=30000)
    call = run_call(config, script)
    lines = lines_of(path)
    assert len(of_kind(lines, "opened")) == 2
    assert [line["code"] for line in of_kind(lines, "closed")] == [1006, 1000]
    assert of_kind(lines, "connect_failed")[0]["code"] == "refused"
    told = [
        (line["code"], line["vendor_code"], line["message"])
        for line in of_kind(lines, "error")
    ]
    assert told == [
        (error["code"], error["vendor_info"]["code"], error["message"])
        for error in call.errors
    ]
    numbers = {line["connection"] for line in of_kind(lines, "received")}
    assert numbers == {1, 2}


def test_no_secret_is_in_the_log(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)
    other = "other-secret-value-1234"

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finals(1)
        # A service that repeats what it was given.
        server.send(
            {
                "type": "echo",
                "authorization": f"Bearer {KEY}",
                KEY: [{"deep": f"<{KEY}>{other}"}],
            }
        )
        await call.until_finalized("end")

    config = dumping(f"{server.url}?token={other}", path, api_key=KEY)
    call = run_call(config, script)
    assert call.texts == text_of(*TURNS)
    text = path.with_suffix(".jsonl").read_text()
    assert KEY not in text
    assert other not in text
    (echo,) = [
        line["event"]
        for line in of_kind(lines_of(path), "received")
        if line["event"]["type"] == "echo"
    ]
    assert echo["authorization"] == "Bearer ***"
    assert echo["***"] == [{"deep": "<***>***"}]
    # Nor is there any audio in it.
    assert '"audio": "' not in text.split("\n", 1)[1]


def test_a_changed_key_is_not_in_the_log_either(server, tmp_path):
    path = tmp_path / "call.pcm"
    audio, _ = spoken(TURNS)
    fresh = "sk-fresh-0123456789"

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("one")
        update = json.dumps({"params": {"api_key": fresh}})
        result, error = await call.command("update_configs", update)
        assert error is None
        assert result is not None
        assert result.get_status_code() == 0
        server.send({"type": "echo", "key": fresh})
        await call.send(audio)
        await call.until_finalized("two")

    call = run_call(dumping(server.url, path, api_key=KEY), script)
    assert call.texts == text_of(*TURNS, *TURNS)
    text = path.with_suffix(".jsonl").read_text()
    assert fresh not in text
    assert KEY not in text
    found = lines_of(path)
    assert len(of_kind(found, "config")) == 1
    echoes = [
        line["event"]["key"]
        for line in of_kind(found, "received")
        if line["event"]["type"] == "echo"
    ]
    assert echoes
    assert set(echoes) == {"***"}


# -- the lines by themselves ---------------------------------------------


def lines(log: SessionLog) -> list[dict]:
    log.flush()
    return [json.loads(line) for line in log.take().splitlines()]


def test_like_frames_share_a_line_for_a_second_at_most():
    log = SessionLog(Redactor())
    for index in range(250):
        log.frame(index * 10.0, 320, 16000, 1, 2)
    found = lines(log)
    assert [line["count"] for line in found] == [101, 101, 48]
    assert (found[1]["t"], found[1]["until"]) == (1010.0, 2010.0)


def test_a_pause_ends_a_line():
    log = SessionLog(Redactor())
    for at in (0.0, 20.0, 500.0, 520.0):
        log.frame(at, 640, 16000, 1, 2)
    spans = [(line["t"], line["until"]) for line in lines(log)]
    assert spans == [(0.0, 20.0), (500.0, 520.0)]


def test_frames_come_before_what_came_after_them():
    log = SessionLog(Redactor())
    log.frame(0.0, 320, 16000, 1, 2)
    log.note(5.0, "finalize", {"finalize_id": "x"})
    log.frame(6.0, 320, 16000, 1, 2)
    kinds = [line["kind"] for line in lines(log)]
    assert kinds == ["frames", "finalize", "frames"]


@pytest.mark.parametrize("size", range(1, 8))
def test_appends_are_counted_in_bytes_of_audio(size):
    log = SessionLog(Redactor())
    head = b'{"type":"input_audio_buffer.append","audio":"'
    for index in range(3):
        text = b64encode(bytes(size))
        log.message(float(index), "sent", 1, head + text + b'"}')
    (line,) = lines(log)
    assert (line["bytes"], line["count"]) == (3 * size, 3)


@pytest.mark.parametrize(
    "message",
    [
        b"no json",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"type": "\\ud800"}',
        b'{"type": "long", "item_id": "i", "x": "' + b"y" * 50_000 + b'"}',
    ],
)
def test_odd_messages_make_one_short_line(message):
    log = SessionLog(Redactor())
    log.message(1.0, "received", 1, message)
    (line,) = lines(log)
    assert line["kind"] == "received"
    assert len(json.dumps(line)) < 20_000


def test_numbers_that_are_not_finite_are_texts():
    log = SessionLog(Redactor())
    log.message(1.0, "received", 1, b'{"a": NaN, "b": [1e999, {"c": -1e999}]}')
    text = log.take().decode()
    assert '"a": "nan", "b": ["inf", {"c": "-inf"}]' in text


def test_a_long_line_keeps_its_outline():
    log = SessionLog(Redactor())
    event = {"type": "long", "item_id": "i", "x": "y" * 50_000}
    log.message(1.0, "received", 3, json.dumps(event))
    (line,) = lines(log)
    assert line["event"] == {"type": "long", "item_id": "i"}
    assert line["connection"] == 3
    assert line["cut"] > 50_000


def test_secrets_that_come_later_are_hidden_as_well():
    redactor = Redactor(["first-secret"])
    log = SessionLog(redactor)
    redactor.learn(["second-secret"])
    log.note(0.0, "x", {"a": "first-secret second-secret"})
    assert lines(log)[0]["a"] == "*** ***"


WORDS = "my key is 0123456789abcdef0123456789abcdef, Bearer of a1b2c3"


def test_words_that_look_like_a_key_are_what_was_said():
    log = SessionLog(Redactor([KEY]))
    event = {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": f"item-{KEY}",
        "transcript": f"{WORDS} {KEY}",
        "logprobs": [{"token": WORDS, "logprob": -0.1}],
        "usage": {"note": WORDS},
    }
    log.message(1.0, "received", 1, json.dumps(event))
    log.note(2.0, "result", {"result": {"text": WORDS, "id": "7"}})
    log.note(3.0, "error", {"message": WORDS})
    heard, result, error = lines(log)
    assert heard["event"]["transcript"] == f"{WORDS} ***"
    assert heard["event"]["logprobs"] == event["logprobs"]
    assert heard["event"]["item_id"] == "item-***"
    hidden = "my key is ***, Bearer of a1b2c3"
    assert heard["event"]["usage"]["note"] == hidden
    assert result["result"] == {"text": WORDS, "id": "7"}
    assert error["message"] == hidden


NUMBER = 9876543210123
#: What may stand where a text is expected, with a secret in it.
ODD_WORDS = [
    {KEY: 1},
    [{KEY: 1}],
    {"a": [{f"x{KEY.upper()}x": {KEY: KEY}}]},
    NUMBER,
    [NUMBER, {"a": float(NUMBER)}],
]


@pytest.mark.parametrize("odd", ODD_WORDS)
@pytest.mark.parametrize(
    "field", ["transcript", "delta", "text", "logprobs", "usage", "item_id"]
)
def test_a_secret_is_no_name_of_a_field_either(field, odd):
    redactor = Redactor([KEY, str(NUMBER)])
    log = SessionLog(redactor)
    for kind in ("delta", "completed", "segment", "failed"):
        event = {
            "type": f"conversation.item.input_audio_transcription.{kind}",
            field: odd,
        }
        log.message(1.0, "received", 1, json.dumps(event))
    log.note(2.0, "result", {"result": {field: odd}})
    found = lines(log)
    assert len(found) == 5
    shown = json.dumps(found).lower()
    assert KEY not in shown
    assert str(NUMBER) not in shown


def test_a_long_line_of_others_is_not_taken_apart(monkeypatch):
    """Of a thousand files that are in the way each is looked at."""

    def refuse(_: bytes) -> None:
        raise AssertionError("it was")

    monkeypatch.setattr(session_log, "read_json", refuse)
    line = b'{"kind": "session", "rows": [' + b"1, " * 30_000 + b"1]}"
    assert not session_log.is_ours(line, line[-1024:], "call.pcm", 0)
