"""The next step, for whoever has to mend it."""

from __future__ import annotations

import re

from ten_packages.extension.openai_asr_python.config import OpenAIASRConfig
from ten_packages.extension.openai_asr_python.realtime.faults import Fault
from ten_packages.extension.openai_asr_python.service.endpoint import (
    is_azure,
    is_openai,
)

_KEYS = "https://platform.openai.com/api-keys"
_BILLING = "https://platform.openai.com/settings/organization/billing"
_KEY_CODES = (
    "invalid_api_key",
    "unauthorized",
    "authentication_error",
    "permission_error",
    "401",
    "403",
    "3000",
)
_QUOTA_CODES = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
)
_MODEL_CODES = ("invalid_model", "model_not_found", "missing_model")
_BUSY_CODES = ("429", "rate_limit_exceeded", "rate_limit_error")
_STATUS = re.compile(r"answered HTTP (\d{3})")
_BY_SERVER = re.compile(r"5\d\d")
_NO_ENDPOINT = re.compile(r"[23]\d\d|404|405|426")
#: The code of what answers at the lower level only.
SILENT = "silent"
_OTHER = "look it up in docs/errors.md"
#: By a part of what the loader says.
_WARNINGS = {
    "unknown property": "leave it out, or mend its spelling",
    "shuts down": "choose the model that replaces it",
    "is not known here": "name the model that it is like, as family",
    "without effect": "leave it out",
    "does not take": "leave it out, or choose a model that takes it"
    " (docs/compatibility.md)",
    "no logprobs": "leave it out, or choose a model that gives them",
    "ephemeral key": "take a key of the account for calls that last",
    "not given, so that": "give this endpoint its own",
    "left out": "leave it out",
}


def after_config_error(text: str, where: str) -> str:
    """Of an invalid property."""
    if "api_key: missing" in text:
        return f"export OPENAI_API_KEY=… (made at {_KEYS})"
    if "placeholder" in text:
        return (
            "make the placeholder the whole value, and put the rest of it into"
            " the variable"
        )
    return f"mend it in {where} (README.md, Configuration)"


def after_warning(field: str, text: str) -> str:
    """Of a property that works otherwise than somebody may think."""
    for part, step in _WARNINGS.items():
        if part in text:
            return step
    return f"nothing, if that is meant; else change {field}"


def after_fault(
    fault: Fault, config: OpenAIASRConfig, key_from: str, place: str
) -> str:
    """Of an endpoint: ``key_from`` tells where its key comes from, ``place``
    the host and port that were dialed."""
    status = _STATUS.search(fault.message)
    for code in (fault.code, status[1] if status else ""):
        step = _step(code, fault, config, key_from)
        if step:
            return step
    code = fault.code
    if code == "tls" and "wrong version number" in fault.message:
        code = "no_tls"
    limit = config.connect_timeout_ms
    return _BY_WORD.get(code, _OTHER).format(place=place, limit=limit)


def _step(
    code: str, fault: Fault, config: OpenAIASRConfig, key_from: str
) -> str:
    """By an error's code or an HTTP status; "" for others."""
    ours = is_openai(config.url)
    if code in _KEY_CODES:
        made = f"; a new one is made at {_KEYS}" if ours else ""
        if is_azure(config.url):
            made = "; it is under Keys and Endpoint of the Azure resource"
        return f"check the key ({key_from}){made}"
    if code in _QUOTA_CODES:
        at = f" at {_BILLING}" if ours else ""
        return f"see to the account's credit and limits{at}"
    if code in _MODEL_CODES:
        model = config.input_audio_transcription.model
        return (
            f'choose another model than "{model}", or a key that may use it'
            " (README.md: input_audio_transcription.model)"
        )
    if code in _BUSY_CODES:
        wait = fault.retry_after
        return f"wait{f' {wait:.0f} s' if wait else ''}, and run it again"
    if code == "server_error" or _BY_SERVER.fullmatch(code):
        page = ", see https://status.openai.com" if ours else ""
        return f"the service failed, not you: run it again later{page}"
    if _NO_ENDPOINT.fullmatch(code):
        return "check the path and the port of websocket_base_url"
    return ""


_BY_WORD = {
    "refused": "is the server running, and is {place} right?",
    "timeout": "is {place} right, and does a firewall let it through? Behind"
    " a proxy: export https_proxy=http://HOST:PORT",
    "dns": "check the host of websocket_base_url, and this machine's DNS",
    "network": "check the network, and {place}",
    "1006": "check what answers at {place}: is it the service?",
    SILENT: "check what answers at {place}: is it the service? Where it is"
    " only slow: a larger connect_timeout_ms (it is {limit}), and --timeout 60",
    "no_tls": "nobody speaks TLS at {place}: is it a plain ws:// or http://"
    " there, or another port?",
    "tls": "check the host's name; a CA of your own belongs into ca_file",
    "ca_file": "name a PEM file with CAs that can be read",
    "url": "mend websocket_base_url",
    "proxy": "mend the variable, or name the host in no_proxy",
    "handshake": "check what answers at {place}: scheme, port and path of"
    " websocket_base_url",
    "beta_api_shape_disabled": 'set protocol to "auto"',
    "no_session_updated": "try protocol ga or beta, as the server speaks it",
    "openai": "pip install 'openai>=3.57,<4'",
}
