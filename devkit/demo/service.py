"""Which service a run uses, and on which runtime: options of several commands,
checked before anything starts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from devkit.bootstrap import runtime_is_importable
from devkit.shown import shown_url
from devkit.usage import UsageError, is_loopback, is_websocket_url

ROOT = Path(__file__).resolve().parent.parent.parent
OPENAI_URL = "wss://api.openai.com/v1"
LOCAL_KEY = "sk-local-demo"


@dataclass(frozen=True, repr=False)
class Service:
    """What to transcribe with.

    `url` is None for the local server, which is then started with
    `server_options`. `fallback` is "local", the base URL of another one, or ""
    for none; `fallback_key` is its key. `runtime` is "ten" or "standin". The
    `environment` is that of the app, with the right OPENAI_API_KEY.
    """

    url: str | None
    fallback: str
    fallback_key: str
    server_options: tuple[str, ...]
    model: str
    language: str
    keywords: str
    runtime: str
    environment: Mapping[str, str]


def add_service_options(parser: argparse.ArgumentParser) -> None:
    """The options that `read_service` reads."""
    parser.add_argument(
        "--server",
        metavar="local|openai|URL",
        default="local",
        help="local: start the devkit's server (needs no key); openai: "
        "OpenAI with OPENAI_API_KEY; ws:// or wss:// base URL of another "
        "one (default: local)",
    )
    parser.add_argument(
        "--fallback",
        metavar="local|openai|URL",
        default="",
        help="a second server, for when the first one gives no service; "
        "local: another one of the devkit's (default: none)",
    )
    parser.add_argument(
        "--model",
        default="gpt-live-transcribe",
        help="transcription model (default: gpt-live-transcribe)",
    )
    parser.add_argument(
        "--language",
        default="en",
        help="language hint, and the local server's model (default: en)",
    )
    parser.add_argument(
        "--keywords",
        default="",
        metavar="WORDS",
        help="words to expect, with commas between them (the local server "
        "makes no use of them)",
    )
    parser.add_argument(
        "--model-dir",
        metavar="DIR",
        help="another Moonshine model for the local server",
    )
    parser.add_argument(
        "--runtime",
        choices=("ten", "standin"),
        help="run on TEN or on the devkit's stand-in for it (default: TEN "
        "where it is importable)",
    )


def read_service(
    options: argparse.Namespace, environment: Mapping[str, str]
) -> Service:
    """Raises `UsageError` with a line that names the option."""
    url = _check_server(options.server)
    fallback = options.fallback
    if fallback not in ("", "local"):
        fallback = _check_server(fallback, "--fallback") or ""
    if options.model_dir and url is not None:
        raise UsageError("--model-dir: only the local server has one")
    return Service(
        url=url,
        fallback=fallback,
        fallback_key=_key_of_fallback(environment, fallback),
        server_options=_server_options(options),
        model=options.model,
        language=options.language,
        keywords=options.keywords,
        runtime=_check_runtime(options.runtime),
        environment=_with_key(environment, url),
    )


def port_number(text: str) -> int:
    """The type of an option that takes a port."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"must be a number from 1 to 65535, not {text!r}"
    )


def refuse_pipe(option: str, path: Path) -> None:
    """To open a pipe may take for ever, and of a device there is no end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UsageError(f"{option}: {path}: is a pipe or a device, not a file")


def _check_runtime(wanted: str | None) -> str:
    """The one that runs: "ten" or "standin"."""
    there = runtime_is_importable()
    if wanted == "ten" and not there:
        raise UsageError("--runtime: ten: no TEN runtime is importable")
    return wanted or ("ten" if there else "standin")


def shown_fallback(job: Service, first: str, second: str) -> str:
    """The URL of the second server, and whether it gets the first one's key."""
    hosts = {urlsplit(url).netloc for url in (first, second)}
    ours = job.fallback == "local" or job.fallback_key == LOCAL_KEY
    same = job.fallback_key == job.environment.get("OPENAI_API_KEY")
    warned = len(hosts) > 1 and same and not ours
    return shown_url(second) + " (gets OPENAI_API_KEY, too)" * warned


def _key_of_fallback(environment: Mapping[str, str], fallback: str) -> str:
    if not fallback:
        return ""
    url = None if fallback == "local" else fallback
    return _with_key(environment, url)["OPENAI_API_KEY"]


def _check_server(server: str, option: str = "--server") -> str | None:
    """The base URL, None for the local server."""
    if server == "local":
        return None
    if server == "openai":
        return OPENAI_URL
    if not is_websocket_url(server):
        raise UsageError(
            f"{option}: must be local, openai or a ws:// or wss:// URL"
        )
    return server


def _server_options(options: argparse.Namespace) -> tuple[str, ...]:
    """What the local server is started with."""
    chosen = ["--engine", "speech"]
    if options.language != "en":
        chosen += ["--language", options.language]
    if options.model_dir:
        # The server runs in another directory.
        directory = Path(options.model_dir).expanduser().absolute()
        chosen += ["--model-dir", str(directory)]
    return tuple(chosen)


def _with_key(
    environment: Mapping[str, str], url: str | None
) -> dict[str, str]:
    """The environment for the app, with the right OPENAI_API_KEY.

    The real key never goes to the server that we start ourselves.
    """
    changed = dict(environment)
    if url is None:
        changed["OPENAI_API_KEY"] = LOCAL_KEY
    elif not changed.get("OPENAI_API_KEY", "").strip():
        if not is_loopback(urlsplit(url).hostname or ""):
            raise UsageError(
                f"OPENAI_API_KEY is not set; {urlsplit(url).hostname} "
                "needs one (--server local does not)"
            )
        changed["OPENAI_API_KEY"] = LOCAL_KEY
    return changed
