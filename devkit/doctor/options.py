"""What becomes of the options: what the service is told, and what not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig
from ten_packages.extension.openai_asr_python.connection.file_session import (
    FileSession,
)
from ten_packages.extension.openai_asr_python.realtime.client_events import (
    append_event,
    commit_event,
    session_update_event,
)
from ten_packages.extension.openai_asr_python.realtime.settings import (
    session_update,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor
from ten_packages.extension.openai_asr_python.service.files import FileRequest
from ten_packages.extension.openai_asr_python.service.options import (
    Option,
    decide,
)

from .checks import Check

_OWNERS = {
    "server_vad": "the server ends the turns, by silence",
    "semantic_vad": "the server ends the turns, by what is said",
    "local": "the local detector ends the turns",
    "none": "only asr_finalize ends a turn",
}


def check_options(config: OpenAIASRConfig, redactor: Redactor) -> Check:
    """One line for each option that is given, and for what always is said."""
    request = config.file_request
    sent = _told(config) if request is None else _asked(config, request)
    sent = redactor.value(sent)
    fates = dict(_fates(config))
    profile = config.profile
    like = "" if profile.known else f", treated like {profile.family}"
    told = json.dumps(sent, ensure_ascii=False, indent=2)
    return Check(
        "options",
        "ok",
        f"with {profile.name}{like}, over {config.transport}:",
        detail=[f"{name}: {fate}" for name, fate in fates.items()],
        folded=["the service is told:", *told.splitlines()],
        data={"fates": fates, "sent": sent},
    )


def _told(config: OpenAIASRConfig) -> dict[str, Any]:
    """The session's settings, in the dialect that is tried first."""
    update = session_update(config.session_settings(), config.dialect)
    return dict(update["session"])


def _asked(config: OpenAIASRConfig, request: FileRequest) -> dict[str, Any]:
    """The fields of a request beside its file, as the extension makes them."""
    settings = config.session_settings()
    silence = bytes(settings.rate * settings.sample_bytes)
    session = FileSession(request)
    session.receive(session_update_event(settings, "ga", "doctor"))
    session.receive(append_event(silence))
    session.receive(commit_event("doctor"))
    return dict(session.uploads[0].fields)


def _fates(config: OpenAIASRConfig) -> Iterator[tuple[str, str]]:
    """Name of an option, and what becomes of it."""
    given, sent = config.input_audio_transcription, config.session_settings()
    way = "in WAV files, one a turn, of" if config.over_http else "as"
    yield "audio", f"sent {way} {sent.wire_format}, {sent.rate} Hz"
    yield "turns", _turns(config)
    if config.languages:
        codes = ", ".join(sent.hints)
        field = "languages" if sent.languages else "language"
        yield (
            "language",
            f"{', '.join(config.languages)}: sent as {field} {codes}"
            if codes
            else "not sent: the service does not take it",
        )
    if given.prompt:
        yield (
            "prompt",
            _sent(config, "prompt", f"{len(sent.prompt)} characters"),
        )
    if given.keywords:
        words = f"{len(sent.keywords)} of {len(given.keywords)} words"
        yield "keywords", _sent(config, "keywords", words)
    if given.delay:
        yield "delay", _sent(config, "delay", given.delay)
    noise = config.input_audio_noise_reduction
    if noise is not None:
        reduction = sent.noise_reduction
        yield (
            "noise reduction",
            f"sent: {', '.join(map(str, reduction.values()))}"
            if reduction
            else _not_sent(config, "it is off"),
        )
        if noise.strength is not None:
            fate = _sent(config, "strength", str(noise.strength))
            yield "its strength", fate
    if config.include:
        yield "logprobs", _sent(config, "logprobs", "asked for")
    if config.session:
        yield (
            "session",
            _not_sent(config, "")
            if config.over_http
            else "merged over the settings, unchecked",
        )


def _turns(config: OpenAIASRConfig) -> str:
    owner = config.turn_owner
    doubtful = decide(owner, config.profile, config.dialect) == "doubtful"
    more = "; some never got a turn out of it" if doubtful else ""
    return f"{owner}: {_OWNERS[owner]}{more}"


def _sent(config: OpenAIASRConfig, option: Option, value: str) -> str:
    decision = decide(option, config.profile, config.dialect)
    if decision == "dropped":
        return _not_sent(config, f"{config.profile.name} does not take it")
    if decision == "prompt":
        return "written into the prompt, as far as there is room"
    return f"sent: {value}"


def _not_sent(config: OpenAIASRConfig, why: str) -> str:
    return f"not sent: {why or 'there is no session over HTTP'}"
