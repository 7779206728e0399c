"""A session's settings, and how they are told in the two dialects.

GA is what api.openai.com speaks since May 2026; the beta dialect lives on in
compatible servers only.  Field names and value ranges: the ``openai`` package
3.57.0, whose types check this module under mypy and are not imported when it
runs; the texts beside them say that a `session.update` is a merge, and how a
field is cleared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    # For mypy only: a field that the SDK does not know is an error there.
    from openai.types.realtime import (
        AudioTranscriptionParam,
        RealtimeAudioFormatsParam,
        RealtimeTranscriptionSessionAudioInputParam,
        RealtimeTranscriptionSessionCreateRequestParam,
    )
    from openai.types.realtime.realtime_transcription_session_audio_input_param import (  # noqa: E501
        NoiseReduction,
    )

WireFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]
Dialect = Literal["ga", "beta"]
#: ``auto``: the one that the server speaks.
ProtocolChoice = Literal["auto", "ga", "beta"]
#: How words are put into a prompt; "" where the model takes no prompt.
KeywordStyle = Literal["", "list", "sentence"]
TurnOwner = Literal["server", "client"]
Delay = Literal["minimal", "low", "medium", "high", "xhigh"]
Include = Literal["item.input_audio_transcription.logprobs"]

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
_GA_FORMATS: Mapping[WireFormat, RealtimeAudioFormatsParam] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
#: What noise reduction begins with.
_DEFAULT_STRENGTH = 1.0
#: A longer prompt makes the server refuse the whole update, in code points
#: (``string_above_max_length``, measured in July 2026).
MAX_PROMPT = 1024


#: How long ``semantic_vad`` waits at most, by its eagerness; for "medium", and
#: "auto" which is the same, it is 4 s (API reference, turn detection).
_MOST_WAIT_MS = {"low": 8000, "high": 2000}


@dataclass(frozen=True)
class SessionSettings:
    """What a transcription session is asked to do.

    At most one of ``language`` and ``languages`` is set.  ``turn_detection``
    and ``noise_reduction`` are the objects as the server takes them, or None
    for off.  ``prefix_padding_ms`` and
    ``silence_duration_ms`` repeat the turn detector's values so that speech
    times can be told from padded ones.  ``keyword_style`` tells where the
    words go in a dialect that has no field for them.  ``live``: the model
    sends text while a turn is still spoken.  ``extra`` is merged over
    the session object word for word.
    """

    model: str
    wire_format: WireFormat = "pcm16"
    language: str = ""
    languages: tuple[str, ...] = ()
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    keyword_style: KeywordStyle = ""
    delay: Delay | Literal[""] = ""
    turn_detection: Mapping[str, Any] | None = None
    noise_reduction: NoiseReduction | None = None
    include: tuple[Include, ...] = ()
    live: bool = False
    #: Each turn is sent as a file; no matter of the session.
    as_files: bool = field(default=False, compare=False)
    #: Which of a call's endpoints it is for; no matter of the session.
    endpoint: str = field(default="", compare=False)
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
    def hints(self) -> tuple[str, ...]:
        """The languages that the server is told to expect."""
        return self.languages or ((self.language,) if self.language else ())

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

    @property
    def longest_pause_ms(self) -> int:
        """In no turn of the server's detector is there a longer one."""
        detector = self.turn_detection or {}
        if detector.get("type") != "semantic_vad":
            return self.silence_duration_ms
        return _MOST_WAIT_MS.get(str(detector.get("eagerness")), 4000)

    def _detector_ms(self, name: str, default: int) -> int:
        detector = self.turn_detection
        if detector is None or detector.get("type") != "server_vad":
            return 0
        value = detector.get(name, default)
        return value if isinstance(value, int) else default


def needs_new_session(told: SessionSettings, new: SessionSettings) -> bool:
    """Can a session that was ``told`` settings not be brought to ``new``
    ones by an update?

    A `session.update` is a merge, and these fields cannot be cleared, only
    replaced (OpenAI's client-events reference; livekit/agents).
    """
    return (
        told.model != new.model
        or told.wire_format != new.wire_format
        or told.extra != new.extra
        or bool(told.language and not new.language)
        or bool(told.languages and not new.languages)
        or bool(told.delay and not new.delay)
        or not set(told.include) <= set(new.include)
    )


def prompt_with(
    prompt: str, keywords: Sequence[str], style: KeywordStyle
) -> tuple[str, int]:
    """A prompt that also names words to expect, as many as there is room for;
    and how many there was no room for.

    ``list``: the bare words, as whisper-1 wants its prompt; ``sentence``:
    ``Keywords: a, b.``, for models whose prompt is free text.
    """
    head = f"{prompt} " if prompt else ""
    opening, closing = ("Keywords: ", ".") if style == "sentence" else ("", "")
    room = MAX_PROMPT - len(head) - len(opening) - len(closing)
    fitting: list[str] = []
    for word in keywords if style else ():
        room -= len(word) + (2 if fitting else 0)
        if room < 0:
            break
        fitting.append(word)
    left = len(keywords) - len(fitting)
    if not fitting:
        return prompt, left
    return f"{head}{opening}{', '.join(fitting)}{closing}", left


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


def session_update(
    settings: SessionSettings,
    dialect: Dialect,
    told: SessionSettings | None = None,
) -> dict[str, Any]:
    """The event that configures a session, as a JSON object.

    ``told``: the settings that are in force there.  What they have and
    ``settings`` have not is cleared, as far as `needs_new_session` says that
    it can be.
    """
    if dialect == "beta":
        return {
            "type": "transcription_session.update",
            "session": merged(_beta_session(settings, told), settings.extra),
        }
    return {
        "type": "session.update",
        "session": merged(_ga_session(settings, told), settings.extra),
    }


def _ga_session(
    settings: SessionSettings, told: SessionSettings | None
) -> dict[str, Any]:
    transcription: AudioTranscriptionParam = {"model": settings.model}
    if settings.language:
        transcription["language"] = settings.language
    if settings.languages:
        transcription["languages"] = list(settings.languages)
    if settings.prompt or (told and told.prompt):
        transcription["prompt"] = settings.prompt
    if settings.keywords or (told and told.keywords):
        transcription["keywords"] = list(settings.keywords)
    if settings.delay:
        transcription["delay"] = settings.delay
    audio_input: RealtimeTranscriptionSessionAudioInputParam = {
        "format": _GA_FORMATS[settings.wire_format],
        "transcription": transcription,
    }
    session: RealtimeTranscriptionSessionCreateRequestParam = {
        "type": "transcription",
        "audio": {"input": audio_input},
    }
    if settings.include:
        session["include"] = list(settings.include)
    # Both switches are always spelled out: a session starts with the server's
    # turn detection on, and only an explicit null turns it off.  The SDK's
    # texts allow null for both, its type for one.
    switches = {
        "noise_reduction": _noise_reduction(settings, told),
        "turn_detection": _plain(settings.turn_detection),
    }
    return merged(session, {"audio": {"input": switches}})


def _noise_reduction(
    settings: SessionSettings, told: SessionSettings | None
) -> dict[str, Any] | None:
    """A strength that is left out is kept, so it is taken back instead."""
    wanted = _plain(settings.noise_reduction)
    before = told.noise_reduction if told else None
    if wanted is not None and before and "strength" in before:
        wanted.setdefault("strength", _DEFAULT_STRENGTH)
    return wanted


def _beta_session(
    settings: SessionSettings, told: SessionSettings | None
) -> dict[str, Any]:
    """One language, no list of words and no delay, as `options.decide`
    says; the ``openai`` package describes this dialect no more."""
    transcription: dict[str, Any] = {"model": settings.model}
    if settings.hints:
        # Regional codes are of models that this dialect does not have.
        transcription["language"] = settings.hints[0].partition("-")[0]
    prompt = _beta_prompt(settings)
    if prompt or (told and _beta_prompt(told)):
        transcription["prompt"] = prompt
    noise = _plain(settings.noise_reduction)
    if noise is not None:
        noise.pop("strength", None)
    session: dict[str, Any] = {
        "input_audio_format": settings.wire_format,
        "input_audio_transcription": transcription,
        "turn_detection": _plain(settings.turn_detection),
        "input_audio_noise_reduction": noise,
    }
    if settings.include:
        session["include"] = list(settings.include)
    return session


def _beta_prompt(settings: SessionSettings) -> str:
    style = settings.keyword_style
    return prompt_with(settings.prompt, settings.keywords, style)[0]


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)
