"""What `python -m devkit.rerun` was asked to do."""

from __future__ import annotations

import argparse
import ipaddress
import os
from typing import NoReturn
from urllib.parse import urlsplit

from devkit.report.__main__ import UsageError, add_page_options

from .changes import Change, parse_change

LOCAL_KEY = "sk-local-rerun"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m devkit.rerun",
        description="Run a dumped call again through the extension, and "
        "compare the final texts with those of the call.",
        epilog="Exit status: 0 the final texts are the same, 1 they differ "
        "or the run failed, 2 wrong usage or a file is missing or wrong, "
        "130 stopped with Ctrl-C. The key for a remote server is taken from "
        "OPENAI_API_KEY.",
    )
    parser.add_argument(
        "log",
        metavar="LOG.jsonl",
        help="the session log; its audio lies beside it",
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="run nothing: print the call in the log, a line for each turn",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        metavar="X",
        help="1 keeps the times of the frames, 2 is twice as fast (default: "
        "as fast as possible)",
    )
    parser.add_argument(
        "--realtime", action="store_true", help="the same as --speed 1"
    )
    parser.add_argument(
        "--server",
        type=_server,
        default="local",
        metavar="local|URL",
        help="local: start the devkit's server with real speech recognition; "
        "or the ws:// or wss:// base URL of another one (default: local)",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="the same as --set model=NAME"
    )
    parser.add_argument(
        "--set",
        type=_change,
        action="append",
        default=[],
        dest="changes",
        metavar="KEY=VALUE",
        help="another value of the configuration, as JSON or a text: "
        "language=es, turn_detection.type=local; may be given several times",
    )
    parser.add_argument(
        "--dump", metavar="DIR", help="keep the dump of this run there"
    )
    parser.add_argument(
        "--page",
        metavar="FILE.html",
        help="write a page that compares both runs",
    )
    add_page_options(
        parser.add_argument_group("what the page is to have (with --page)")
    )
    return parser


def _change(text: str) -> Change:
    try:
        return parse_change(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.01 <= speed <= 1000:
        raise argparse.ArgumentTypeError(
            f"must be a number from 0.01 to 1000, not {text!r}"
        )
    return speed


def _server(text: str) -> str:
    if text == "local":
        return text
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("ws", "wss") and bool(parts.hostname)
        _ = parts.port  # raises if it is no number up to 65535
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError("must be local or a ws(s):// URL")
    return text


def key_for(server: str) -> str:
    """The real key never goes to the server that we start ourselves."""
    if server == "local":
        return LOCAL_KEY
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    host = urlsplit(server).hostname or ""
    if not key and not _is_loopback(host):
        raise UsageError(f"OPENAI_API_KEY is not set; {host} needs one")
    return key or LOCAL_KEY


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
