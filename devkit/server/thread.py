"""`LocalServer` on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading

from typing_extensions import Self

from .local import CONTROL_TIMEOUT_S, LocalServer


class ServerThread(LocalServer):
    """`LocalServer` on a thread of its own, for tests without asyncio.

    ``with ServerThread(...) as server``: the parameters are LocalServer's.
    """

    def __enter__(self) -> Self:
        """Listen; raises what LocalServer raises."""
        self._ready: concurrent.futures.Future[None] = (
            concurrent.futures.Future()
        )
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live()),
            name="local-server",
            daemon=True,
        )
        self._thread.start()
        self._ready.result(CONTROL_TIMEOUT_S)
        return self

    def __exit__(self, *exc: object) -> None:
        self._control(self._stop.set)
        self._thread.join(CONTROL_TIMEOUT_S)

    async def _live(self) -> None:
        self._stop = asyncio.Event()
        try:
            await self.__aenter__()
        except BaseException as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        await self._stop.wait()
        await self.__aexit__()
