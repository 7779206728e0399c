"""What somebody may write into a log to harm those who look at it."""

from __future__ import annotations

from typing import Any

from reported_call import frames, result, tone

#: Texts that would run, or be obeyed, where they are not escaped.
TEXTS = (
    "</script><script>globalThis.harmed = 1</script>",
    "<img src=x onerror='globalThis.harmed = 1'>",
    '"><svg onload=globalThis.harmed=1>',
    "' onmouseover='globalThis.harmed=1",
    "{{ 7 * 7 }}{% raise %}${globalThis.harmed=1}",
    "<!--<script>",
    "]]>&lt;&amp;&#x3c;script>",
    "javascript:globalThis.harmed=1",
    "\u202eright to left\u2066",
    "\u2028globalThis.harmed=1//\u2029",
    "\x00\x1b[2J\x07\x9b31m",
    "\ud800 half \udfff",
    "́̂̃" * 40 + "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "مرحبا بالعالم",
    "W" * 1_000_000,
)


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


def log_lines() -> list[Any]:
    """A call in which every text is one of them, and every number odd."""
    lines: list[Any] = [
        frames(0, tone(8)),
        "",
        "not json",
        "[]",
        "3",
        '{"t": 1, "kind": "frames", "bytes": 1e999}',
        '{"t": ' + "9" * 4000 + ', "kind": "opened", "connection": 1}',
        '{"t": 1, "kind": "received", "event": ' + deep(900) + "}",
        '{"t": 1, "kind": "received", "event": ' + deep(100_000) + "}",
        {"t": 2, "kind": "nobody knows", "value": TEXTS[0]},
        {"t": -5, "kind": "error", "code": 1000, "message": "before"},
        {"t": "5", "kind": "error"},
        {"t": 1e300, "kind": "error"},
        {"t": 3, "kind": "result", "cut": 99},
        {"t": 3, "kind": "opened", "connection": "one"},
        {"t": 3, "kind": "opened", "connection": -1},
        {"t": 3, "kind": "opened"},
        {"t": 3, "kind": "closed", "connection": 1, "code": TEXTS[1]},
        {"t": 3, "kind": "speech", "start_ms": 9e15, "end_ms": -1},
        {"t": 3, "kind": "speech", "start_ms": [], "end_ms": {}},
        {"t": 3, "kind": "empty", "item_id": {}, "start_ms": "x"},
        {"t": 3, "kind": "dropped", "start_ms": 1e308, "duration_ms": 1e308},
        {"t": 3, "kind": "counters", "counters": {"billed_ms": "many"}},
        {"t": 3, "kind": "counters", "counters": [1]},
        {"t": 3, "kind": "finalize"},
        {"t": 3, "kind": "finalize", "finalize_id": 10**30},
        {"t": 3, "kind": "config", "config": None},
        {
            "t": 3,
            "kind": "frames",
            "bytes": 2**26,
            "count": 10**6,
            "rate": 2**31 - 1,
            "channels": 0,
            "width": 7,
        },
        result(4, "", -5, -9),
        result(4, "nan", float("nan"), float("inf")),
        result(4, "huge", 10**300, 10**300),
        {"t": 4, "kind": "result", "result": {"text": 5, "final": True}},
        {"t": 4, "kind": "result", "result": {"text": None, "final": 1}},
        {"t": 4, "kind": "result", "result": {"id": [], "metadata": 3}},
    ]
    for number, text in enumerate(TEXTS):
        at = 1000 + 400 * number
        words = [{"word": text, "start_ms": at, "duration_ms": text}, text]
        info = {
            "model": text,
            "item_id": text,
            "endpoint": text,
            "confidence": text,
            "early": text,
            "speakers": [{"speaker": text, "text": text, "start_ms": at}],
        }
        more = {"language": text, "words": words, "id": f"{number}{text[:20]}"}
        lines += [
            result(at, text, at, 300, final=False, **more),
            result(at, text, at, 300, metadata={"asr_info": info}, **more),
            {"t": at, "kind": "error", "code": -1000, "message": text},
            {"t": at, "kind": "connect_failed", "code": text, "reason": text},
            {"t": at, "kind": "dump_failed", "reason": text},
            {"t": at, "kind": "finalize", "finalize_id": text},
            {"t": at, "kind": "ready", "session_id": text, "replayed_ms": text},
            {"t": at, "kind": "opened", "connection": number + 2},
            {
                "t": at + 100,
                "kind": "closed",
                "connection": number + 2,
                "code": 1006,
                "reason": text,
            },
            {
                "t": at,
                "kind": "dropped",
                "start_ms": at,
                "duration_ms": 50,
                "cause": text,
            },
            {
                "t": at,
                "kind": "received",
                "event": {
                    "type": text
                    + "conversation.item.input_audio_transcription.failed",
                    "error": {"message": text},
                    "usage": {"seconds": text},
                },
            },
        ]
    lines += [
        {"t": 7000 + n, "kind": "error", "code": 1000, "message": f"{n} {n}"}
        for n in range(3000)
    ]
    return lines


def header() -> dict[str, Any]:
    text = TEXTS[0]
    return {
        "version": text,
        "started": text,
        "text": text,
        "config": {
            "sample_rate": text,
            "channels": -3,
            "websocket_base_url": f"wss://user:pass@{TEXTS[1]}/",
            "input_audio_transcription": {
                "model": text,
                "family": TEXTS[2],
                "language": TEXTS[3],
                "languages": [text, TEXTS[8], {}],
                "prompt": TEXTS[-1],
                "keywords": {"a": text},
            },
            "turn_detection": TEXTS[5],
            "finalize_timeout_ms": "soon",
        },
    }
