"""What `python -m devkit.rerun` was asked to do."""

from __future__ import annotations

import argparse
import os
from urllib.parse import urlsplit

from devkit.report.__main__ import add_page_options
from devkit.usage import (
    Parser,
    UsageError,
    is_loopback,
    is_websocket_url,
    number_from,
)

from .changes import Change, parse_change

LOCAL_KEY = "sk-local-rerun"


def parser() -> argparse.ArgumentParser:
    parser = Parser(
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
        type=number_from(0.01, 1000),
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


def _server(text: str) -> str:
    if text != "local" and not is_websocket_url(text):
        raise argparse.ArgumentTypeError("must be local or a ws(s):// URL")
    return text


def key_for(server: str) -> str:
    """The real key never goes to the server that we start ourselves."""
    if server == "local":
        return LOCAL_KEY
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    host = urlsplit(server).hostname or ""
    if not key and not is_loopback(host):
        raise UsageError(f"OPENAI_API_KEY is not set; {host} needs one")
    return key or LOCAL_KEY
