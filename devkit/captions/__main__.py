"""`python -m devkit.captions`: see `--help`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import signal
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path

from devkit.demo.processes import DemoError, LocalServer, Signals
from devkit.demo.service import shown_fallback
from devkit.shown import shown_url
from devkit.usage import UsageError, fail

from .arguments import Job, parse
from .server import CaptionsServer

_fail = functools.partial(fail, "devkit.captions")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page; returns the exit status (see `--help`)."""
    try:
        job = parse(
            sys.argv[1:] if arguments is None else arguments, os.environ
        )
        with Signals(), contextlib.ExitStack() as stack:
            url, fallback = _services(job, stack)
            asyncio.run(_serve(job, url, fallback))
        return 0
    except UsageError as error:
        return _fail(str(error), 2)
    except DemoError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    except OSError as error:
        return _fail(error.strerror or type(error).__name__, 1)


def _services(job: Job, stack: contextlib.ExitStack) -> tuple[str, str]:
    """Start what is ours to start; the URLs of both services."""
    url, fallback = job.url, job.fallback
    if url is None:
        print("starting the local server …", flush=True)
        url = _local(job, stack)
        print(f"server  {url} (local)")
    else:
        print(f"server  {shown_url(url)}")
    if fallback == "local":
        fallback = _local(job, stack)
    if fallback:
        print(f"second  {shown_fallback(job, url, fallback)}")
    return url, fallback


def _local(job: Job, stack: contextlib.ExitStack) -> str:
    server = LocalServer(0, job.environment, job.server_options)
    return stack.enter_context(server).url


async def _serve(job: Job, url: str, fallback: str) -> None:
    stopped = asyncio.Event()
    with contextlib.ExitStack() as stack:
        try:
            server = CaptionsServer(job, url, fallback)
            await server.__aenter__()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise UsageError(f"--port: {job.port} is in use") from None
        try:
            _let_end(stopped)
            print(f"page    {server.address}")
            print("        Ctrl-C ends it", flush=True)
            if job.browser and _has_screen():
                stack.enter_context(_browser_at(server.address))
            await stopped.wait()
        finally:
            await server.__aexit__()


def _let_end(stopped: asyncio.Event) -> None:
    """From now on signals end the server in order. `Signals` puts back what
    was there before."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)


def _has_screen() -> bool:
    """Else a browser for terminals might come up."""
    by_name = sys.platform in ("darwin", "win32")
    return by_name or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


@contextlib.contextmanager
def _browser_at(address: str) -> Iterator[None]:
    """Open a browser by a file that only its owner can read: everybody here
    sees the arguments of a process."""
    with tempfile.TemporaryDirectory(prefix="captions-") as directory:
        page = Path(directory) / "open.html"
        page.touch(mode=0o600)
        page.write_text(
            f'<meta http-equiv="refresh" content="0; url={address}">',
            encoding="utf-8",
        )
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(page.as_uri())
        yield


if __name__ == "__main__":
    sys.exit(main())
