"""The node's properties and what the rest of the extension needs of them.

`properties` reads and checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from .realtime.faults import Fault
from .realtime.limits import Limits
from .realtime.settings import (
    Delay,
    Dialect,
    Include,
    ProtocolChoice,
    SessionSettings,
    WireFormat,
)
from .realtime.shown import harmless
from .service.endpoint import (
    DEFAULT_BASE_URL,
    OPEN_PARAMETERS,
    Endpoint,
    endpoint,
    is_azure,
    names_secret,
    redacted_url,
)
from .service.files import FileRequest, file_request
from .service.models import (
    DEFAULT_MODEL,
    ModelProfile,
    file_profile_of,
    profile_of,
)
from .service.options import Request, decide, fit, keyword_style

if TYPE_CHECKING:
    from openai.types.realtime.realtime_transcription_session_audio_input_param import (  # noqa: E501
        NoiseReduction,
    )

#: What `update_configs` cannot change while a call is under way.
FIXED_FIELDS = (
    "input_audio_format",
    "sample_rate",
    "channels",
    "g711_input",
    "max_buffer_ms",
    "max_turn_ms",
    "finalize_timeout_ms",
    "final_timeout_ms",
    "peer_timeout_ms",
    "fallback_after_ms",
    "fallback_retry_ms",
    "protocol",
    "dump",
    "dump_path",
    "session_log_text",
)
#: What is no matter of the service, and in force at once.
LOCAL_FIELDS = frozenset(
    {"log_level", "connect_timeout_ms", "gap_timeout_ms", "stop_timeout_ms"}
)
#: Beyond the silence that ends a turn.
_GAP_MS = 1000
_LEAST_GAP_MS = 100
#: No turn is cut before, however little is kept.
LEAST_TURN_MS = 2_000
DUMP_FILE_NAME = "openai_asr_in.pcm"
#: Where `session` has a server's turn detection, in either dialect.
DETECTOR_PLACES = ("audio.input.turn_detection", "turn_detection")
#: It is told again and again, looked through for secrets each time.
_LONGEST_NAME = 1024
_A_MODEL = f"the name of a model, of up to {_LONGEST_NAME} characters"
#: More services than that nobody has.
MOST_FALLBACKS = 8
#: How the endpoints of a call are named.
PRIMARY, FALLBACK = "primary", "fallbacks[{}]"

TurnOwner = Literal["server_vad", "semantic_vad", "local", "none"]
_SERVER_KNOBS = {"threshold", "prefix_padding_ms", "silence_duration_ms"}
#: The knobs of turn detection that each owner of the turns has.
TURN_KNOBS: Mapping[TurnOwner, set[str]] = {
    "server_vad": _SERVER_KNOBS,
    "semantic_vad": {"eagerness"},
    "local": {*_SERVER_KNOBS, "silence"},
    "none": set(),
}


#: Nobody mends more of them in one go.
_MOST_ERRORS = 6


class ConfigError(ValueError):
    """A property is wrong; ``field`` is its path, the text is for people."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = harmless(field[:200])
        super().__init__(f"{self.field}: {harmless(problem)}")

    @classmethod
    def of(
        cls, errors: Sequence[ConfigError], notes: Iterable[str]
    ) -> ConfigError:
        """All in one, behind the first; ``notes`` may explain them."""
        first, *others = errors
        told = [*map(str, others), *map(harmless, notes)]
        if len(told) >= _MOST_ERRORS:
            left = len(told) - _MOST_ERRORS + 1
            told[_MOST_ERRORS - 1 :] = [f"{left} more"]
        own = str(first).removeprefix(f"{first.field}: ")
        return cls(first.field, " | ".join([own, *told]))


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a switch is not a number")
    return value


#: Chinese and Japanese have commas of their own.
_SEPARATORS = "[,;\n，；、]"


def _one_or_more(value: Any) -> Any:
    if isinstance(value, str):
        parts = re.split(_SEPARATORS, value)
        return [part.strip() for part in parts if part.strip()]
    return value


def _text(value: Any) -> Any:
    """Numbers and switches as the texts that a header or a query carries."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _level(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    level = value.strip().upper()
    return "WARN" if level == "WARNING" else level


def _also(names: Mapping[str, str]) -> BeforeValidator:
    """Takes other names of the values as well, in any case."""

    def rename(value: Any) -> Any:
        if isinstance(value, str):
            return names.get(value.strip().lower(), value)
        return value

    return BeforeValidator(rename)


LOGPROBS = "item.input_audio_transcription.logprobs"
#: GA names of the wire formats.
_FORMATS = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "g711_ulaw",
    "audio/pcma": "g711_alaw",
}
_LAWS = {
    **dict.fromkeys(("g711_ulaw", "audio/pcmu", "pcmu", "mulaw"), "ulaw"),
    **dict.fromkeys(("g711_alaw", "audio/pcma", "pcma"), "alaw"),
}


Auth = Literal["auto", "bearer", "api-key"]
Transport = Literal["websocket", "http"]
Switch = Annotated[bool, Field(description="true or false")]
Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]
Words = Annotated[list[str], BeforeValidator(_one_or_more)]
Texts = Annotated[
    dict[str, Annotated[SecretStr, BeforeValidator(_text)]],
    Field(description="an object of texts"),
]


def _field(default: Any, allowed: str, **bounds: Any) -> Any:
    """``allowed`` is told where a value is wrong."""
    return Field(default, description=allowed, **bounds)


def _ms(default: int | None, low: int, high: int) -> Any:
    allowed = f"a whole number of milliseconds from {low} to {high}"
    return _field(default, allowed, ge=low, le=high)


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        # Names that begin with "model" are its own in older versions.
        protected_namespaces=(),
    )


class TranscriptionConfig(_Section):
    """``input_audio_transcription``."""

    model: str = _field(
        DEFAULT_MODEL, _A_MODEL, min_length=1, max_length=_LONGEST_NAME
    )
    language: str = _field("", 'a language code such as "en" or "en-US"')
    family: str = _field("", "a known model that an unknown name stands for")
    languages: Words = _field([], "a list of language codes")
    prompt: str = _field("", "a text")
    keywords: Words = _field([], "a list of words or phrases")
    delay: Delay | None = None


class TurnDetectionConfig(_Section):
    """``turn_detection``; the knobs mean the same for every type."""

    type: TurnOwner | None = None
    enabled: Switch = True
    threshold: Number = _field(0.5, "a number from 0 to 1", ge=0, le=1)
    prefix_padding_ms: Whole = _ms(300, 0, 10_000)
    silence_duration_ms: Whole = _ms(500, 20, 10_000)
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    silence: Literal["send", "skip"] = "send"


class NoiseReductionConfig(_Section):
    """``input_audio_noise_reduction``."""

    type: Literal["near_field", "far_field"] | None = None
    enabled: Switch = True
    strength: Number | None = _field(None, "a number from 0 to 1", ge=0, le=1)


class FallbackConfig(_Section):
    """One of ``fallbacks``: what is not given is the first endpoint's."""

    websocket_base_url: str = _field("", "a URL", repr=False)
    transport: Transport = "websocket"
    api_key: SecretStr = _field(SecretStr(""), "the API key, a text")
    headers: Texts = {}
    query: Texts = {}
    auth: Auth = "auto"
    organization: str = _field("", "an organization id")
    project: str = _field("", "a project id")
    protocol: ProtocolChoice = "auto"
    allow_insecure: Switch = False
    ca_file: str = _field("", "the path of a PEM file")
    model: str = _field(
        DEFAULT_MODEL, _A_MODEL, min_length=1, max_length=_LONGEST_NAME
    )
    family: str = _field("", "a known model that an unknown name stands for")
    language: str = _field("", 'a language code such as "en" or "en-US"')
    languages: Words = _field([], "a list of language codes")
    keywords: Words = _field([], "a list of words or phrases")
    prompt: str = _field("", "a text")


SECTIONS: Mapping[str, type[BaseModel]] = {
    "input_audio_transcription": TranscriptionConfig,
    "turn_detection": TurnDetectionConfig,
    "input_audio_noise_reduction": NoiseReductionConfig,
}


class OpenAIASRConfig(_Section):
    """All properties of the node, with their defaults."""

    api_key: SecretStr = _field(SecretStr(""), "the API key, a text")
    organization: str = _field("", "an organization id")
    project: str = _field("", "a project id")
    websocket_base_url: str = _field(
        DEFAULT_BASE_URL,
        "a URL such as wss://api.openai.com/v1",
        # Its query may hold a key.
        repr=False,
    )
    transport: Transport = "websocket"
    allow_insecure: Switch = False
    protocol: ProtocolChoice = "auto"
    auth: Auth = "auto"
    model_in_url: Switch = False
    headers: Texts = {}
    query: Texts = {}
    ca_file: str = _field("", "the path of a PEM file")
    dump: Switch = False
    dump_path: str = _field(
        DUMP_FILE_NAME, "a directory or the name of a .pcm file"
    )
    session_log_text: Literal["full", "none"] = "full"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARN", "ERROR"], BeforeValidator(_level)
    ] = "INFO"
    sample_rate: Whole = _field(
        16000, "a whole number of Hz from 8000 to 192000", ge=8000, le=192_000
    )
    channels: Whole = _field(1, "a whole number from 1 to 8", ge=1, le=8)
    connect_timeout_ms: Whole = _ms(10_000, 100, 120_000)
    peer_timeout_ms: Whole = _ms(9_000, 2_000, 120_000)
    finalize_timeout_ms: Whole = _ms(5_000, 100, 120_000)
    final_timeout_ms: Whole = _ms(0, 0, 120_000)
    gap_timeout_ms: Whole | None = _ms(None, 0, 60_000)
    stop_timeout_ms: Whole = _ms(3_000, 0, 60_000)
    fallbacks: list[FallbackConfig] = _field(
        [],
        f"a list of up to {MOST_FALLBACKS} objects",
        max_length=MOST_FALLBACKS,
        # Nor is anything else of them shown: keys and headers are there.
        repr=False,
    )
    fallback_after_ms: Whole = _ms(4_000, 500, 120_000)
    fallback_retry_ms: Whole = _ms(60_000, 1_000, 3_600_000)
    max_buffer_ms: Whole = _ms(120_000, 1_000, 3_600_000)
    max_turn_ms: Whole = _ms(30_000, LEAST_TURN_MS, 600_000)
    input_audio_format: Annotated[WireFormat, _also(_FORMATS)] = "pcm16"
    input_audio_transcription: TranscriptionConfig = TranscriptionConfig()
    turn_detection: TurnDetectionConfig = TurnDetectionConfig()
    input_audio_noise_reduction: NoiseReductionConfig | None = None
    g711_input: Annotated[Literal["ulaw", "alaw"] | None, _also(_LAWS)] = None
    include: Annotated[
        list[Annotated[Include, _also({"logprobs": LOGPROBS})]],
        BeforeValidator(_one_or_more),
    ] = _field([], f'a list of "{LOGPROBS}"')
    timestamps: Switch = False
    session: dict[str, Any] = _field(
        {}, "an object, merged into the session settings"
    )

    # -- what the rest of the extension needs -----------------------------

    @property
    def profile(self) -> ModelProfile:
        """The abilities of the chosen model."""
        request = self.input_audio_transcription
        look_up = file_profile_of if self.over_http else profile_of
        return look_up(request.model, request.family)

    @property
    def over_http(self) -> bool:
        """Is each turn sent as a file of its own?"""
        return self.transport == "http"

    @property
    def file_request(self) -> FileRequest | None:
        """How a turn is sent as a file; None where a session hears it."""
        if not self.over_http:
            return None
        return file_request(self.profile, timestamps=self.timestamps)

    @property
    def languages(self) -> tuple[str, ...]:
        """The configured language tags, as they were written."""
        request = self.input_audio_transcription
        given = (request.language, *request.languages)
        return tuple(dict.fromkeys(filter(None, given)))

    @property
    def turn_owner(self) -> TurnOwner:
        """Who ends turns, after the model's abilities decided the rest."""
        passed_through = self.session_turn_detection.get("type")
        if passed_through is not None:
            known = passed_through in get_args(TurnOwner)
            return passed_through if known else "server_vad"
        if not self.turn_detection.enabled:
            return "none"
        by_server = self.profile.server_turns == "yes" and not self.over_http
        default: TurnOwner = "server_vad" if by_server else "local"
        return self.turn_detection.type or default

    @property
    def detects_locally(self) -> bool:
        """Does the local detector end turns, with one of the endpoints?"""
        return any(e.turn_owner == "local" for e in self.endpoint_configs())

    @property
    def gap_s(self) -> float:
        """Without a frame for so long an open turn is over; 0: never."""
        chosen = self.gap_timeout_ms
        if chosen is None:
            chosen = self.turn_detection.silence_duration_ms + _GAP_MS
        # Less lies between any two frames.
        return max(chosen, _LEAST_GAP_MS) / 1000 if chosen else 0.0

    @property
    def skip_before_ms(self) -> int | None:
        """Audio to send before an onset where silence is not sent, in ms."""
        chosen = self.turn_detection
        if self.detects_locally and chosen.silence == "skip":
            # What is sent is billed, and here the onset is known.
            return chosen.prefix_padding_ms // 3
        return None

    @property
    def session_turn_detection(self) -> Mapping[str, Any]:
        """What ``session`` says of turn detection, in either dialect."""
        for place in () if self.over_http else DETECTOR_PLACES:
            found = part_of(self.session, place)
            if found and isinstance(found, Mapping):
                return found
        return {}

    @property
    def dialect(self) -> Dialect:
        """The dialect as far as it is known before the server speaks."""
        beta = self.protocol == "beta" and not self.over_http
        return "beta" if beta else "ga"

    @property
    def endpoint(self) -> Endpoint:
        """Where to connect; raises ``ValueError`` for what is no URL."""
        model = self.input_audio_transcription.model
        return endpoint(
            self.websocket_base_url,
            _revealed(self.query),
            model if self.model_in_url and not self.over_http else "",
            files=self.over_http,
        )

    @property
    def url(self) -> str:
        """Where to connect, or send files to."""
        return self.endpoint.url

    @property
    def headers_sent(self) -> dict[str, str]:
        """The request headers, key included: for the wire only.

        A header of ``headers`` takes the place of one of ours.
        """
        key = self.api_key.get_secret_value()
        azure = is_azure(self.url)
        sent = {}
        if self.auth == "api-key" or (self.auth == "auto" and azure):
            sent["api-key"] = key
        elif key:
            sent["Authorization"] = f"Bearer {key}"
        if self.organization:
            sent["OpenAI-Organization"] = self.organization
        if self.project:
            sent["OpenAI-Project"] = self.project
        if self.dialect == "beta" and not azure:
            sent["OpenAI-Beta"] = "realtime=v1"
        extra = _revealed(self.headers)
        own = {name.lower() for name in extra}
        kept = {k: v for k, v in sent.items() if k.lower() not in own}
        return {**kept, **extra}

    def explained(self, fault: Fault) -> Fault:
        """``fault`` with what this configuration adds to it."""
        refused = fault.code in ("invalid_api_key", "401", "3000")
        key = self.api_key.get_secret_value()
        if not (fault.fatal and refused and key.startswith("ek_")):
            return fault
        more = (
            "; an ephemeral key (ek_) opens sessions for some minutes only:"
            " mint a new one"
        )
        return replace(fault, message=fault.message + more)

    @property
    def limits(self) -> Limits:
        """The core's bounds."""
        peer_ms = self.peer_timeout_ms
        ping_ms = min(peer_ms // 3, Limits.ping_ms)
        most_ms = max(self.max_buffer_ms // 2, LEAST_TURN_MS)
        max_turn_ms = min(self.max_turn_ms, most_ms)
        return Limits(
            ping_ms=ping_ms,
            pong_timeout_ms=peer_ms - ping_ms,
            # So that the PONG for half of it comes in time.
            window_ms=min(peer_ms * 8 // 9, Limits.window_ms),
            max_buffer_ms=self.max_buffer_ms,
            max_turn_ms=max_turn_ms,
            fallback_after_ms=self.fallback_after_ms,
            fallback_retry_ms=self.fallback_retry_ms,
            finalize_timeout_ms=self.finalize_timeout_ms,
            final_timeout_ms=self.final_timeout_ms,
            file_timeout_ms=max(Limits.turn_timeout_ms, max_turn_ms),
        )

    def fitted(self) -> tuple[Request, list[str]]:
        """The request's options as the model takes them, and warnings."""
        given = self.input_audio_transcription.model_dump(
            exclude={"model", "family"}, exclude_none=True
        )
        noise = self.input_audio_noise_reduction
        strength = None if noise is None else noise.strength
        request = Request(
            **given, strength=strength, include=tuple(self.include)
        )
        return request, fit(request, self.profile, self.dialect)

    def session_settings(self) -> SessionSettings:
        """What the transcription session is asked to do."""
        request, _ = self.fitted()
        noise = self.input_audio_noise_reduction
        reduction: NoiseReduction | None = None
        if noise is not None and noise.enabled and not self.over_http:
            reduction = {"type": noise.type or "near_field"}
            if request.strength is not None:
                reduction["strength"] = request.strength
        return SessionSettings(
            model=self.input_audio_transcription.model,
            wire_format=self.input_audio_format,
            language=request.language,
            languages=tuple(request.languages),
            prompt=request.prompt,
            keywords=tuple(request.keywords),
            keyword_style=keyword_style(self.profile),
            delay=request.delay,
            turn_detection=self._server_turn_detection(),
            noise_reduction=reduction,
            include=request.include,
            live=self.profile.deltas == "live",
            as_files=self.over_http,
            extra={} if self.over_http else self.session,
        )

    def _server_turn_detection(self) -> dict[str, Any] | None:
        given = dict(self.session_turn_detection)
        owner = self.turn_owner
        if "type" in given:
            return given
        if owner in ("local", "none"):
            return None
        chosen = self.turn_detection.model_dump(include=TURN_KNOBS[owner])
        return {"type": owner, **chosen, **given}

    def turn_detection_changed(self, old: OpenAIASRConfig) -> bool:
        """Must a local detector begin, end or be set otherwise?"""
        was = (old.turn_owner, old.detects_locally, old.turn_detection)
        now = (self.turn_owner, self.detects_locally, self.turn_detection)
        return (self.detects_locally or old.detects_locally) and was != now

    # -- several endpoints --------------------------------------------------

    def endpoint_configs(self) -> list[OpenAIASRConfig]:
        """This one, and the same for each of ``fallbacks``."""
        return [self, *map(self._for_fallback, self.fallbacks)]

    @property
    def ca_files(self) -> dict[str, str]:
        """Each ``ca_file``, and what is before its name where it is one of
        ``fallbacks``."""
        found: dict[str, str] = {}
        for number, other in enumerate(self.endpoint_configs(), -1):
            if other.ca_file:
                place = "" if number < 0 else f"{FALLBACK.format(number)}."
                found.setdefault(other.ca_file, place)
        return found

    def of_endpoint(self, name: str) -> OpenAIASRConfig:
        """That of the endpoint of this name."""
        for number in range(len(self.fallbacks)):
            if name == FALLBACK.format(number):
                return self._for_fallback(self.fallbacks[number])
        return self

    def _for_fallback(self, other: FallbackConfig) -> OpenAIASRConfig:
        given = {name: getattr(other, name) for name in other.model_fields_set}
        request = {
            name: given.pop(name)
            for name in TranscriptionConfig.model_fields
            if name in given
        }
        if "language" in request or "languages" in request:
            # One of both is told.
            request = {"language": "", "languages": [], **request}
        if "model" in request:
            request = {"family": "", **request}
        if "api_key" in given or any(map(names_secret, other.headers)):
            # It has credentials of its own.  Those here are for this service,
            # and may be in any header and parameter.
            query = {
                k: v for k, v in self.query.items() if k in OPEN_PARAMETERS
            }
            own = {"api_key": SecretStr(""), "headers": {}, "query": query}
            given = {**own, "organization": "", "project": "", **given}
        section = self.input_audio_transcription.model_copy(update=request)
        derived = self.model_copy(
            update={
                **given,
                "input_audio_transcription": section,
                "fallbacks": [],
            }
        )
        return derived.model_copy(
            update={"turn_detection": self._turns_of(derived)}
        )

    def _turns_of(self, other: OpenAIASRConfig) -> TurnDetectionConfig:
        """Whoever ends the turns here does so there, if that is possible; else
        the local detector."""
        owner = self.turn_owner
        fate = decide(owner, other.profile, other.dialect)
        by_server = owner in ("server_vad", "semantic_vad")
        if fate == "rejected" or (by_server and other.over_http):
            owner = "local"
        chosen = {"type": owner, "enabled": True}
        return self.turn_detection.model_copy(update=chosen)

    def dump_file(self) -> Path:
        """Where received audio is written: ``dump_path``, or a file in it."""
        path = Path(self.dump_path)
        return path if path.suffix.lower() == ".pcm" else path / DUMP_FILE_NAME

    def shown(self) -> dict[str, Any]:
        """The configuration for a log, as JSON has it, secret fields masked;
        for what `session` holds there is the `Redactor`."""
        shown = self.model_dump(mode="json", exclude_none=True)
        shown["fallbacks"] = [
            other.model_dump(mode="json", exclude_unset=True)
            for other in self.fallbacks
        ]
        shown["api_key"] = "***" if self.api_key.get_secret_value() else ""
        for place in (shown, *shown["fallbacks"]):
            if url := place.get("websocket_base_url"):
                place["websocket_base_url"] = redacted_url(url)
        return shown


def part_of(settings: Any, place: str, absent: Any = None) -> Any:
    """What stands in ``settings`` at a place such as ``audio.input``."""
    for key in place.split("."):
        if not isinstance(settings, Mapping) or key not in settings:
            return absent
        settings = settings[key]
    return settings


def _revealed(values: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in values.items()}
