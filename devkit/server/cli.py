"""The command line of the local server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from typing import NoReturn

from devkit.parent import END_WITH_INPUT, after_input
from devkit.usage import fail

from .engine import engine_named
from .faults import Faults, describe, parse_fault
from .local import DIALECTS, LocalServer
from .models import PROFILES
from .rest.service import FILE_FAULTS
from .rules import Rule

# A record of every event would fill memory in a server that runs for days.
_EVENTS_KEPT = 1000


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM, or the end of the input if that is asked.

    Exit status: 0 ended, 2 wrong usage, port in use, no recogniser or model.
    """
    options = _parser().parse_args(argv)
    logging.basicConfig(
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # websockets logs every refused handshake with a traceback.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    try:
        server = LocalServer(
            engine_named(options.engine, options.language, options.model_dir),
            host=options.host,
            port=options.port,
            keys=options.key,
            dialect=options.dialect,
            faults=Faults(**dict(options.fault)),
            azure=options.azure,
            session_seconds=options.session_seconds,
            ping_interval=options.ping_interval or None,
            rate_limit=options.rate_limit,
            event_limit=_EVENTS_KEPT,
            lenient=options.lenient,
            deployments=dict(options.deployment),
        )
        if options.refuse_http:
            server.refuse(
                http_status=options.refuse_http, retry_after=options.retry_after
            )
    except (ValueError, ImportError) as error:
        return _complain(str(error))
    return asyncio.run(_run(server, options.end_with_input))


async def _run(server: LocalServer, end_with_input: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if end_with_input:

        def end() -> None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(stop.set)

        after_input(end)
    try:
        async with server:
            print(f"listening on {server.url}", flush=True)
            await stop.wait()
    except OSError as error:
        return _complain(
            f"cannot listen on {server.host} port {server.port}: "
            f"{error.strerror or error}"
        )
    return 0


def _complain(message: str) -> int:
    return fail("devkit.server", message, 2)


class _OneLineErrors(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(_complain(message))


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineErrors(
        prog="python -m devkit.server",
        description="A transcription server on this machine that speaks "
        "OpenAI's protocols, with\nfaults on demand: the realtime WebSocket "
        "and POST /v1/audio/transcriptions on\none port "
        "(docs/local_server.md).",
        epilog=f"{_rules_help()}\n\n{_faults_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address (default: %(default)s)")
    add(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="0 takes a free one (default: %(default)s)",
    )
    add(
        "--engine",
        choices=("speech", "script"),
        default="speech",
        help="speech: Moonshine, English without --language; script: the "
        "words that devkit.script_audio coded into the samples "
        "(default: %(default)s)",
    )
    add(
        "--language",
        default="en",
        metavar="CODE",
        help="of speech, as es: Moonshine's model for it, which its own "
        "downloader gets if it is not here (default: %(default)s)",
    )
    add(
        "--model-dir",
        metavar="DIR",
        help="another Moonshine model for speech: its files, in a directory "
        "called after its architecture, as base-es",
    )
    add(
        "--key",
        action="append",
        metavar="KEY",
        help="accept only this key; may be repeated (default: any key that "
        "does not begin with sk-wrong)",
    )
    add(
        "--dialect",
        choices=DIALECTS,
        default="ga",
        help="beta: flat sessions for every client; both: for those that "
        "send OpenAI-Beta: realtime=v1 (default: %(default)s)",
    )
    add(
        "--azure",
        action="store_true",
        help="as Azure: path /openai/v1/realtime, api-key header, any model "
        "name, HTTP 401 for a wrong key",
    )
    add(
        "--deployment",
        action="append",
        default=[],
        type=_deployment,
        metavar="NAME=MODEL",
        help="a further name of a model, as Azure's deployments are; may be "
        "repeated. With --azure no other unknown name is taken then",
    )
    add(
        "--session-seconds",
        type=_positive,
        default=3600,
        metavar="S",
        help="life of a session, then session_expired and CLOSE 1001 "
        "(default: %(default)s)",
    )
    add(
        "--ping-interval",
        type=_not_negative,
        default=20,
        metavar="S",
        help="seconds between PING frames, 0 for none (default: %(default)s)",
    )
    add(
        "--rate-limit",
        type=_positive,
        metavar="S",
        help="seconds of audio per rolling minute for the whole server; "
        "items beyond it fail with rate_limit_exceeded (default: no limit)",
    )
    add(
        "--refuse-http",
        type=_http_status,
        metavar="STATUS",
        help="refuse every connection with this HTTP status, 400 to 599",
    )
    add(
        "--retry-after",
        type=_not_negative,
        metavar="S",
        help="Retry-After header for --refuse-http",
    )
    add(
        "--fault",
        action="append",
        default=[],
        type=_fault,
        metavar="NAME[=VALUE]",
        help="see below; may be repeated",
    )
    add(
        "--lenient",
        action="append",
        default=[],
        metavar="RULE",
        help="do not keep to this rule, see below; all for none of them; may "
        "be repeated",
    )
    add(
        END_WITH_INPUT,
        action="store_true",
        help="end when standard input is closed: whoever starts the server "
        "with a pipe there takes it along, however it ends itself",
    )
    add(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="on standard error; debug tells of each connection (default: "
        "%(default)s)",
    )
    return parser


def _rules_help() -> str:
    lines = [
        _entry(rule.label, f"{rule.strict} (lenient: {rule.lenient})")
        for rule in Rule
    ]
    intro = "rules that the server keeps to, as OpenAI's does:\n"
    return intro + "\n".join(lines)


def _entry(label: str, text: str) -> str:
    return textwrap.fill(
        text, 79, initial_indent=f"  {label:<34}", subsequent_indent=" " * 36
    )


def _faults_help() -> str:
    defaults = {one.name: one.default for one in fields(Faults)}
    intro = (
        "faults (devkit.server.Faults has the same names):\n"
        "  WHEN is always (also without a value), N (the server's N-th, "
        "once),\n"
        "  every:N, session:N (the N-th of each connection), p:CHANCE, "
        "never.\n"
    )
    lines = []
    for name, about in describe().items():
        label, text = f"{name}=VALUE", about.help
        if about.on:
            label, text = f"{name}=WHEN", f"{about.on}: {about.help}"
        default = defaults[name]
        if default not in ("never", None, ""):
            text += f" (default: {default})"
        lines.append(_entry(label, text))
    http = (
        "Over HTTP each request counts as a connection, apart from the "
        "WebSockets, and its file as an item. There refused, slow_handshake, "
        f"{', '.join(FILE_FAULTS)} and failed_text hold, with their settings; "
        "failed_retry_s becomes the header Retry-After. --rate-limit answers "
        "429, --refuse-http and --retry-after hold, too."
    )
    return (
        intro
        + "\n".join(lines)
        + "\n\n"
        + textwrap.fill(http, 79, break_on_hyphens=False)
    )


def _fault(text: str) -> tuple[str, object]:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _deployment(text: str) -> tuple[str, str]:
    name, _, model = text.partition("=")
    if not name or model not in PROFILES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=MODEL with one of {', '.join(PROFILES)}"
        )
    return name, model


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0..65535)")
    return int(text)


def _http_status(text: str) -> int:
    if not text.isdecimal() or not 400 <= int(text) <= 599:
        raise argparse.ArgumentTypeError(f"{text!r} is not in 400..599")
    return int(text)


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _positive(text: str) -> float:
    value = _not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be above 0 seconds")
    return value
