"""The node's properties and what the rest of the extension needs of them.

`properties` reads and checks them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
)

from .realtime.faults import Fault
from .realtime.limits import Limits
from .realtime.settings import Delay, Dialect, Include, SessionSettings
from .realtime.shown import harmless
from .service.endpoint import (
    DEFAULT_BASE_URL,
    Endpoint,
    endpoint,
    is_azure,
    redacted_url,
)
from .service.models import DEFAULT_MODEL, ModelProfile, profile_of
from .service.options import Request, fit, keyword_style

if TYPE_CHECKING:
    from openai.types.realtime.realtime_transcription_session_audio_input_param import (  # noqa: E501
        NoiseReduction,
    )
    from openai.types.realtime.realtime_transcription_session_audio_input_turn_detection_param import (  # noqa: E501
        SemanticVad,
        ServerVad,
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
    "peer_timeout_ms",
    "protocol",
    "dump",
    "dump_path",
)
#: What is no matter of the service, and in force at once.
LOCAL_FIELDS = frozenset({"log_level", "connect_timeout_ms", "stop_timeout_ms"})
DUMP_FILE_NAME = "openai_asr_in.pcm"
#: It is told again and again, looked through for secrets each time.
_LONGEST_NAME = 1024


TurnOwner = Literal["server_vad", "semantic_vad", "local", "none"]


class ConfigError(ValueError):
    """A property is wrong; ``field`` is its path, the text is for people."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = harmless(field[:200])
        super().__init__(f"{self.field}: {harmless(problem)}")


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


def _texts(value: Any) -> Any:
    """Numbers and switches as the texts that a header or a query carries."""
    if not isinstance(value, Mapping):
        return value
    return {key: _text(inner) for key, inner in value.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _law(value: Any) -> Any:
    return _LAWS.get(value.strip().lower(), value) if _is_text(value) else value


def _include(value: Any) -> Any:
    if isinstance(_one_or_more(value), list):
        return [LOGPROBS if v == "logprobs" else v for v in _one_or_more(value)]
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


LOGPROBS = "item.input_audio_transcription.logprobs"
_LAWS = {
    "g711_ulaw": "ulaw",
    "audio/pcmu": "ulaw",
    "pcmu": "ulaw",
    "mulaw": "ulaw",
    "g711_alaw": "alaw",
    "audio/pcma": "alaw",
    "pcma": "alaw",
}


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_number)]
Words = Annotated[list[str], BeforeValidator(_one_or_more)]
Texts = Annotated[dict[str, SecretStr], BeforeValidator(_texts)]

_MS = "a whole number of milliseconds from {} to {}"


def _ms(default: int, low: int, high: int) -> Any:
    return Field(default, ge=low, le=high, description=_MS.format(low, high))


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        # Names that begin with "model" are its own in older versions.
        protected_namespaces=(),
    )


class TranscriptionConfig(_Section):
    """``input_audio_transcription``."""

    model: str = Field(
        DEFAULT_MODEL,
        min_length=1,
        max_length=_LONGEST_NAME,
        description=f"the name of a model, of up to {_LONGEST_NAME} characters",
    )
    language: str = Field(
        "", description='a language code such as "en" or "en-US"'
    )
    family: str = Field(
        "", description="a known model that an unknown name stands for"
    )
    languages: Words = Field([], description="a list of language codes")
    prompt: str = Field("", description="a text")
    keywords: Words = Field([], description="a list of words or phrases")
    delay: Delay | None = None


class TurnDetectionConfig(_Section):
    """``turn_detection``; the knobs mean the same for every type."""

    type: TurnOwner | None = None
    enabled: bool = Field(True, description="true or false")
    threshold: Number = Field(
        0.5, ge=0, le=1, description="a number from 0 to 1"
    )
    prefix_padding_ms: Whole = _ms(300, 0, 10_000)
    silence_duration_ms: Whole = _ms(500, 20, 10_000)
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    silence: Literal["send", "skip"] = "send"


class NoiseReductionConfig(_Section):
    """``input_audio_noise_reduction``."""

    type: Literal["near_field", "far_field"] | None = None
    enabled: bool = Field(True, description="true or false")
    strength: Number | None = Field(
        None, ge=0, le=1, description="a number from 0 to 1"
    )


class OpenAIASRConfig(_Section):
    """All properties of the node, with their defaults."""

    api_key: SecretStr = Field(SecretStr(""), description="the API key, a text")
    organization: str = Field("", description="an organization id")
    project: str = Field("", description="a project id")
    websocket_base_url: str = Field(
        DEFAULT_BASE_URL,
        description="a URL such as wss://api.openai.com/v1",
        # Its query may hold a key.
        repr=False,
    )
    allow_insecure: bool = Field(False, description="true or false")
    protocol: Literal["auto", "ga", "beta"] = "auto"
    auth: Literal["auto", "bearer", "api-key"] = "auto"
    model_in_url: bool = Field(False, description="true or false")
    headers: Texts = Field({}, description="an object of texts")
    query: Texts = Field({}, description="an object of texts")
    ca_file: str = Field("", description="the path of a PEM file")
    dump: bool = Field(False, description="true or false")
    dump_path: str = Field(
        DUMP_FILE_NAME, description="a directory or the name of a .pcm file"
    )
    log_level: Literal["DEBUG", "INFO", "WARN", "ERROR"] = "INFO"
    sample_rate: Whole = Field(
        16000,
        ge=8000,
        le=192_000,
        description="a whole number of Hz from 8000 to 192000",
    )
    channels: Whole = Field(1, ge=1, le=8, description="1 or 2")
    connect_timeout_ms: Whole = _ms(10_000, 100, 120_000)
    peer_timeout_ms: Whole = _ms(9_000, 2_000, 120_000)
    finalize_timeout_ms: Whole = _ms(5_000, 100, 120_000)
    stop_timeout_ms: Whole = _ms(3_000, 0, 60_000)
    max_buffer_ms: Whole = _ms(120_000, 1_000, 3_600_000)
    max_turn_ms: Whole = _ms(30_000, 2_000, 600_000)
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] = "pcm16"
    input_audio_transcription: TranscriptionConfig = TranscriptionConfig()
    turn_detection: TurnDetectionConfig = TurnDetectionConfig()
    input_audio_noise_reduction: NoiseReductionConfig | None = None
    g711_input: Annotated[
        Literal["ulaw", "alaw"] | None, BeforeValidator(_law)
    ] = None
    include: Annotated[list[Include], BeforeValidator(_include)] = []
    session: dict[str, Any] = Field(
        {}, description="an object, merged into the session settings"
    )

    # -- what the rest of the extension needs -----------------------------

    @property
    def profile(self) -> ModelProfile:
        """The abilities of the chosen model."""
        request = self.input_audio_transcription
        return profile_of(request.model, request.family)

    @property
    def languages(self) -> tuple[str, ...]:
        """The configured language tags, as they were written."""
        request = self.input_audio_transcription
        first = [request.language] if request.language else []
        return tuple(dict.fromkeys((*first, *request.languages)))

    @property
    def turn_owner(self) -> TurnOwner:
        """Who ends turns, after the model's abilities decided the rest."""
        passed_through = self.session_turn_detection.get("type")
        if passed_through is not None:
            known = passed_through in get_args(TurnOwner)
            return passed_through if known else "server_vad"
        chosen = self.turn_detection
        if not chosen.enabled:
            return "none"
        if chosen.type is not None:
            return chosen.type
        by_server = self.profile.server_turns == "yes"
        return "server_vad" if by_server else "local"

    @property
    def skip_before_ms(self) -> int | None:
        """Audio to send before an onset where silence is not sent, in ms."""
        chosen = self.turn_detection
        if self.turn_owner == "local" and chosen.silence == "skip":
            return chosen.prefix_padding_ms
        return None

    @property
    def session_turn_detection(self) -> Mapping[str, Any]:
        """What ``session`` says of turn detection, in either dialect."""
        audio = _section(_section(self.session, "audio"), "input")
        return _section(audio, "turn_detection") or _section(
            self.session, "turn_detection"
        )

    @property
    def dialect(self) -> Dialect:
        """The dialect as far as it is known before the server speaks."""
        return "beta" if self.protocol == "beta" else "ga"

    @property
    def endpoint(self) -> Endpoint:
        """Where to connect; raises ``ValueError`` for what is no URL."""
        model = self.input_audio_transcription.model
        return endpoint(
            self.websocket_base_url,
            _revealed(self.query),
            model if self.model_in_url else "",
        )

    @property
    def url(self) -> str:
        """The WebSocket URL."""
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
        if self.protocol == "beta" and not azure:
            sent["OpenAI-Beta"] = "realtime=v1"
        extra = _revealed(self.headers)
        own = {name.lower() for name in extra}
        kept = {k: v for k, v in sent.items() if k.lower() not in own}
        return {**kept, **extra}

    def explained(self, fault: Fault) -> Fault:
        """``fault`` with what this configuration adds to it."""
        key = self.api_key.get_secret_value()
        refused = fault.code in ("invalid_api_key", "401", "3000")
        if fault.fatal and refused and key.startswith("ek_"):
            more = (
                "; an ephemeral key (ek_) opens sessions for some minutes"
                " only: mint a new one"
            )
            return replace(fault, message=fault.message + more)
        return fault

    @property
    def limits(self) -> Limits:
        """The core's bounds."""
        peer_ms = self.peer_timeout_ms
        ping_ms = min(peer_ms // 3, Limits.ping_ms)
        return Limits(
            ping_ms=ping_ms,
            pong_timeout_ms=peer_ms - ping_ms,
            # So that the PONG for half of it comes in time.
            window_ms=min(peer_ms * 8 // 9, Limits.window_ms),
            max_buffer_ms=self.max_buffer_ms,
            max_turn_ms=min(self.max_turn_ms, self.max_buffer_ms // 2),
            finalize_timeout_ms=self.finalize_timeout_ms,
        )

    def fitted(self) -> tuple[Request, list[str]]:
        """The request's options as the model takes them, and warnings."""
        given = self.input_audio_transcription
        noise = self.input_audio_noise_reduction
        request = Request(
            language=given.language,
            languages=given.languages,
            prompt=given.prompt,
            keywords=given.keywords,
            delay=given.delay or "",
            strength=None if noise is None else noise.strength,
            include=self.include,
        )
        return request, fit(request, self.profile, self.dialect)

    def session_settings(self) -> SessionSettings:
        """What the transcription session is asked to do."""
        request, _ = self.fitted()
        noise = self.input_audio_noise_reduction
        reduction: NoiseReduction | None = None
        if noise is not None and noise.enabled:
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
            include=tuple(request.include),
            extra=self.session,
        )

    def _server_turn_detection(self) -> dict[str, Any] | None:
        chosen = self.turn_detection
        given = dict(self.session_turn_detection)
        if "type" in given:
            return {**given}
        if self.turn_owner == "server_vad":
            server: ServerVad = {
                "type": "server_vad",
                "threshold": chosen.threshold,
                "prefix_padding_ms": chosen.prefix_padding_ms,
                "silence_duration_ms": chosen.silence_duration_ms,
            }
            return {**server, **given}
        if self.turn_owner == "semantic_vad":
            semantic: SemanticVad = {
                "type": "semantic_vad",
                "eagerness": chosen.eagerness,
            }
            return {**semantic}
        return None

    def turn_detection_changed(self, old: OpenAIASRConfig) -> bool:
        """Must a local detector begin, end or be set otherwise?"""
        if "local" not in (self.turn_owner, old.turn_owner):
            return False
        return (
            self.turn_owner != old.turn_owner
            or self.turn_detection != old.turn_detection
        )

    def dump_file(self) -> Path:
        """Where received audio is written: ``dump_path``, or a file in it."""
        path = Path(self.dump_path)
        return path if path.suffix == ".pcm" else path / DUMP_FILE_NAME

    def shown(self) -> dict[str, Any]:
        """The configuration for a log, as JSON has it, secret fields masked;
        for what `session` holds there is the `Redactor`."""
        shown = self.model_dump(mode="json", exclude_none=True)
        shown["api_key"] = "***" if self.api_key.get_secret_value() else ""
        shown["websocket_base_url"] = redacted_url(self.websocket_base_url)
        return shown


def _section(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _revealed(values: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in values.items()}
