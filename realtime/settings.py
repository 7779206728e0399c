"""A session's settings and their form in the two dialects.

GA is what api.openai.com speaks since May 2026; the beta dialect lives on in
compatible servers only.  Field names and value ranges: ``openai`` package
3.54.0 (``types/realtime``) and OpenAI's realtime guides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

WireFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]
Dialect = Literal["ga", "beta"]
#: How words are put into a prompt; "" where the model takes no prompt.
KeywordStyle = Literal["", "list", "sentence"]
TurnOwner = Literal["server", "client"]

#: Sample rate on the wire in Hz: OpenAI takes PCM at 24 kHz and G.711 at
#: 8 kHz (a lower PCM rate is refused with ``integer_below_min_value``).
WIRE_RATES: Mapping[WireFormat, int] = {
    "pcm16": 24000,
    "g711_ulaw": 8000,
    "g711_alaw": 8000,
}
WIRE_SAMPLE_BYTES: Mapping[WireFormat, int] = {
    "pcm16": 2,
    "g711_ulaw": 1,
    "g711_alaw": 1,
}
_GA_FORMATS: Mapping[WireFormat, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


@dataclass(frozen=True)
class SessionSettings:
    """What a transcription session is asked to do.

    ``turn_detection`` and ``noise_reduction`` are the objects as the server
    takes them, or None for off.  ``prefix_padding_ms`` and
    ``silence_duration_ms`` repeat the turn detector's values so that speech
    times can be told from padded ones.  ``keyword_style`` tells where the
    words go in a dialect that has no field for them.  ``extra`` is merged over
    the session object word for word.
    """

    model: str
    wire_format: WireFormat = "pcm16"
    language: str = ""
    languages: tuple[str, ...] = ()
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    keyword_style: KeywordStyle = ""
    delay: str = ""
    turn_detection: Mapping[str, Any] | None = None
    noise_reduction: Mapping[str, Any] | None = None
    include: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> int:
        """Samples per second on the wire, in Hz."""
        return WIRE_RATES[self.wire_format]

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample on the wire."""
        return WIRE_SAMPLE_BYTES[self.wire_format]

    @property
    def turn_owner(self) -> TurnOwner:
        """Who ends turns: the server's detector, or client commits."""
        return "client" if self.turn_detection is None else "server"

    @property
    def prefix_padding_ms(self) -> int:
        """Audio before the onset that the server adds to a turn, in ms."""
        return self._detector_ms("prefix_padding_ms", 300)

    @property
    def silence_duration_ms(self) -> int:
        """Silence that ends a server turn, in ms; part of the turn."""
        return self._detector_ms("silence_duration_ms", 500)

    def _detector_ms(self, name: str, default: int) -> int:
        detector = self.turn_detection
        if detector is None or detector.get("type") != "server_vad":
            return 0
        value = detector.get(name, default)
        return value if isinstance(value, int) else default


def session_update(
    settings: SessionSettings, dialect: Dialect
) -> dict[str, Any]:
    """The client event that configures a session, as a JSON object."""
    transcription = _transcription(settings, dialect)
    # Both switches are always spelled out: a session starts with the server's
    # turn detection on, and only an explicit null turns it off.
    detector = _plain(settings.turn_detection)
    noise = _plain(settings.noise_reduction)
    if noise is not None and dialect == "beta":
        noise.pop("strength", None)
    include = list(settings.include)
    session: dict[str, Any]
    if dialect == "ga":
        session = {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": dict(_GA_FORMATS[settings.wire_format]),
                    "noise_reduction": noise,
                    "transcription": transcription,
                    "turn_detection": detector,
                }
            },
        }
        if include:
            session["include"] = include
        return {
            "type": "session.update",
            "session": merged(session, settings.extra),
        }
    session = {
        "input_audio_format": settings.wire_format,
        "input_audio_transcription": transcription,
        "turn_detection": detector,
        "input_audio_noise_reduction": noise,
    }
    if include:
        session["include"] = include
    return {
        "type": "transcription_session.update",
        "session": merged(session, settings.extra),
    }


def _transcription(
    settings: SessionSettings, dialect: Dialect
) -> dict[str, Any]:
    """The transcription request.  The beta dialect knows one language, no
    list of words and no delay; `options.decide` says the same."""
    language, prompt = settings.language, settings.prompt
    beta = dialect == "beta"
    if beta:
        language = language or next(iter(settings.languages), "")
        prompt = prompt_with(prompt, settings.keywords, settings.keyword_style)
    fields: dict[str, Any] = {
        "model": settings.model,
        "language": language,
        "prompt": prompt,
        "languages": [] if beta else list(settings.languages),
        "keywords": [] if beta else list(settings.keywords),
        "delay": "" if beta else settings.delay,
    }
    return {name: value for name, value in fields.items() if value}


def prompt_with(
    prompt: str, keywords: Sequence[str], style: KeywordStyle
) -> str:
    """A prompt that also names words to expect.

    ``list``: the bare words, as whisper-1 wants its prompt; ``sentence``:
    ``Keywords: a, b.``, for models whose prompt is free text.
    """
    if not keywords or not style:
        return prompt
    words = ", ".join(keywords)
    if style == "sentence":
        words = f"Keywords: {words}."
    return f"{prompt} {words}" if prompt else words


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``over`` merged in: objects deeply, the rest replaced."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result
