"""Key and model of a service that is sent files: there is no session, so its
models endpoint is asked, which costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from urllib.parse import quote

from ten_packages.extension.openai_asr_python.call.call import client_settings
from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig
from ten_packages.extension.openai_asr_python.connection.dialer import Dialer
from ten_packages.extension.openai_asr_python.connection.faults import (
    fault_of_exception,
)
from ten_packages.extension.openai_asr_python.connection.interface import (
    ClientSettings,
)
from ten_packages.extension.openai_asr_python.realtime.errors import (
    error_in_body,
)
from ten_packages.extension.openai_asr_python.realtime.faults import (
    Fault,
    fault_of_http,
)
from ten_packages.extension.openai_asr_python.service.endpoint import FILES

from .advice import SILENT
from .checks import Check
from .service import failed

#: A server that has no models endpoint answers so.
_NOT_THERE = (404, 405, 426, 501)
_NAME = "models"


async def check_models(
    config: OpenAIASRConfig, key_from: str, limit_s: float
) -> Check:
    """Ask for the model by ``GET …/models/MODEL``."""
    model = config.input_audio_transcription.model
    path, mark, query = config.url.partition("?")
    path = f"{path.removesuffix(FILES)}/models/{quote(model, safe='')}"
    asked = replace(
        client_settings(config.model_copy(update={"fallbacks": []})),
        url=f"{path}{mark}{query}",
        connect_timeout_ms=max(round(limit_s * 1000), 1),
    )
    try:
        answer = await asyncio.wait_for(_ask(asked), limit_s)
    except asyncio.TimeoutError:
        text = f"TCP answers, but HTTP did not within {limit_s:g} s"
        answer = Fault("retry", SILENT, text)
    if isinstance(answer, Fault):
        return failed(_NAME, answer, config, key_from)
    status, body = answer
    data = {"http_status": status, "model": model}
    if status == 200:
        text = (
            f"GET /models/{model} answers: the service takes the key, and has"
            " the model. Whether it takes files shows with the first turn"
        )
        return Check(_NAME, "ok", text, data=data)
    known = error_in_body(body).code == "model_not_found"
    if status in _NOT_THERE and not known:
        return Check(
            _NAME,
            "warning",
            f"the server answers, but has no models endpoint (HTTP {status}):"
            " key and model are not proved",
            "hear whether text comes: --audio (costs seconds of audio)",
            data=data,
        )
    return failed(_NAME, fault_of_http(status, body), config, key_from)


async def _ask(settings: ClientSettings) -> tuple[int, bytes] | Fault:
    try:
        attempt, client = await Dialer().client(settings)
    except Exception as error:
        return fault_of_exception(error)
    # It loads packages that only such a service needs.
    from ten_packages.extension.openai_asr_python.connection import http_faults

    try:
        status, body, _ = await client.ask("GET")
        return status, body
    except Exception as error:
        return http_faults.fault_of_network(error, attempt.proxy)
    finally:
        with contextlib.suppress(Exception):
            await client.close()
