"""What was heard, in the shapes of the response formats."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..items import logprobs_of, pieces, usage_of
from ..languages import NAMES
from ..schema import Json
from .parameters import Parameters
from .segments import Segment

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Heard:
    """``seconds``: of the file. ``usage``: whether the answer has one."""

    segments: list[Segment]
    seconds: float
    usage: bool = True

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)


def whole_answer(asked: Parameters, heard: Heard) -> tuple[str, bytes]:
    """Content type and body."""
    if asked.response_format in _JSON_BODIES:
        body = _JSON_BODIES[asked.response_format](asked, heard)
        return _JSON, json.dumps(body, ensure_ascii=False).encode()
    return _TEXT, _TEXT_BODIES[asked.response_format](heard).encode()


def segment_events(
    asked: Parameters, segment: Segment, number: int
) -> list[Json]:
    """The events of a stream for its ``number``-th segment, from 1."""
    diarized = asked.profile.segments
    lead = " " if number > 1 else ""
    events: list[Json] = [
        {
            "type": "transcript.text.delta",
            "delta": delta,
            **({"logprobs": logprobs_of(delta)} if asked.logprobs else {}),
            **({"segment_id": _segment_id(number)} if diarized else {}),
        }
        for delta in pieces(lead + segment.text, asked.profile)
    ]
    if asked.response_format == "diarized_json":
        events.append(_speaker_segment(segment, number))
    return events


def done_event(asked: Parameters, heard: Heard) -> Json:
    return {"type": "transcript.text.done", **_plain(asked, heard)}


def _plain(asked: Parameters, heard: Heard) -> Json:
    return {
        "text": heard.text,
        **({"logprobs": logprobs_of(heard.text)} if asked.logprobs else {}),
        **_languages(asked),
        **_usage(asked, heard),
    }


def _languages(asked: Parameters) -> Json:
    if not asked.profile.reports_languages:
        return {}
    first = (asked.transcription.get("languages") or ["en"])[0]
    return {"languages": [{"code": first}]}


def _usage(asked: Parameters, heard: Heard) -> Json:
    if not heard.usage:
        return {}
    return {"usage": usage_of(asked.profile, heard.seconds, heard.text)}


def _verbose(asked: Parameters, heard: Heard) -> Json:
    return {
        "task": "transcribe",
        "language": NAMES.get(asked.language or "en", "english"),
        "duration": round(heard.seconds, 3),
        "text": heard.text,
        **_words(asked, heard),
        **_segments(asked, heard),
        **_usage(asked, heard),
    }


def _words(asked: Parameters, heard: Heard) -> Json:
    if "word" not in asked.granularities:
        return {}
    return {
        "words": [
            {
                "word": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
            }
            for segment in heard.segments
            for word in segment.words
        ]
    }


def _segments(asked: Parameters, heard: Heard) -> Json:
    if asked.granularities == ("word",):
        return {}
    return {
        "segments": [
            {
                "id": number,
                "seek": 0,
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "text": " " + segment.text,
                # What the engines do not tell, as a sure answer has it.
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": -0.01,
                "compression_ratio": 1.0,
                "no_speech_prob": 0.0,
            }
            for number, segment in enumerate(heard.segments)
        ],
    }


def _diarized(asked: Parameters, heard: Heard) -> Json:
    return {
        "task": "transcribe",
        "duration": round(heard.seconds, 3),
        "text": heard.text,
        "segments": [
            _speaker_segment(segment, number)
            for number, segment in enumerate(heard.segments, 1)
        ],
        **_usage(asked, heard),
    }


def _speaker_segment(segment: Segment, number: int) -> Json:
    return {
        "type": "transcript.text.segment",
        "id": _segment_id(number),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "speaker": "A",
    }


def _segment_id(number: int) -> str:
    return f"seg_{number:03d}"


def _srt(heard: Heard) -> str:
    return "".join(
        f"{number}\n{_time(one.start, ',')} --> {_time(one.end, ',')}\n"
        f"{one.text}\n\n"
        for number, one in enumerate(heard.segments, 1)
    )


def _vtt(heard: Heard) -> str:
    # In WebVTT a text is markup.
    return "WEBVTT\n\n" + "".join(
        f"{_time(one.start, '.')} --> {_time(one.end, '.')}\n"
        f"{html.escape(one.text, quote=False)}\n\n"
        for one in heard.segments
    )


def _time(seconds: float, point: str) -> str:
    whole, ms = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}{point}{ms:03d}"


_JSON_BODIES: dict[str, Callable[[Parameters, Heard], dict[str, Any]]] = {
    "json": _plain,
    "verbose_json": _verbose,
    "diarized_json": _diarized,
}
_TEXT_BODIES: dict[str, Callable[[Heard], str]] = {
    "text": lambda heard: heard.text + "\n",
    "srt": _srt,
    "vtt": _vtt,
}
