"""What one page asks for, and the call that it begins."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from devkit.shown import harmless_lines

from .call import Call, Tell, report_of
from .cuts import Cuts
from .relay import Relay
from .wishes import (
    BadWish,
    Cut,
    Finalize,
    Start,
    Stop,
    Update,
    Wish,
    read_wish,
)

#: Makes a call with these additions to its environment.
MakeCall = Callable[[Mapping[str, str], Tell], Call]
#: Of a file, its place beside the page.
Offer = Callable[[Path], str]


class Session:
    """A page that is open, with one call at a time.

    ``relay`` is None where the connection cannot be cut, as ``no_relay`` says.
    """

    def __init__(
        self,
        page: ServerConnection,
        make: MakeCall,
        offer: Offer,
        relay: Relay | None,
        no_relay: str,
    ) -> None:
        self._page = page
        self._make, self._offer = make, offer
        self._relay, self._no_relay = relay, no_relay
        self._call: Call | None = None
        self._over: asyncio.Task[None] | None = None
        self._cuts: Cuts | None = None
        self._told = ""
        self._timer: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the page closes, or is closed."""
        async for message in self._page:
            if isinstance(message, bytes):
                if self._call is not None:
                    await self._call.hear(message)
                continue
            try:
                await self._obey(read_wish(message))
            except BadWish as reason:
                await self.tell({"type": "refused", "text": str(reason)})

    async def end(self, *, hurry: bool = False) -> None:
        """End the call, if there is one."""
        if self._call is not None:
            await (self._call.kill() if hurry else self._call.end())
        if self._over is not None:
            await self._over

    async def tell(self, message: dict[str, Any]) -> None:
        """Tell the page; nothing happens if it has gone."""
        with contextlib.suppress(ConnectionClosed):
            await self._page.send(json.dumps(_harmless(message)))

    async def _obey(self, wish: Wish) -> None:
        if isinstance(wish, Start):
            if self._call is not None:
                raise BadWish("a call goes on already")
            rate = {"LIVE_PAGE_RATE": str(wish.rate)}
            settings = wish.settings.environment()
            if self._relay is not None:
                relay = self._relay
                self._cuts = Cuts(lambda: relay.connections)
                self._told = ""
                await self._tell_cuts()
            self._call = self._make({**settings, **rate}, self._hear_app)
            self._over = asyncio.create_task(self._conclude(self._call))
        elif self._call is None:
            raise BadWish("there is no call")
        elif isinstance(wish, Update):
            params = wish.settings.params()
            await self._call.ask({"type": "update", "params": params})
        elif isinstance(wish, Finalize | Stop):
            await self._call.ask({"type": wish.type})
        elif isinstance(wish, Cut):
            await self._cut(wish.away_s)

    async def _cut(self, away_s: float) -> None:
        if self._relay is None or self._cuts is None:
            raise BadWish(self._no_relay)
        if refusal := self._cuts.refusal(_now()):
            raise BadWish(f"cut: {refusal}")
        self._cuts.lose()
        connections = self._relay.cut(away_s)
        told = {"connections": connections, "away_s": away_s}
        await self.tell({"type": "cut", **told})
        await self._tell_cuts()

    async def _hear_app(self, text: str) -> None:
        message = json.loads(text)
        await self.tell(message)
        if self._cuts is None:
            return
        if self._cuts.hear(message, _now()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.create_task(self._tell_cuts_later())
        await self._tell_cuts()

    async def _tell_cuts_later(self) -> None:
        await asyncio.sleep(Cuts.QUIET_S)
        await self._tell_cuts()

    async def _tell_cuts(self) -> None:
        """Whether the connection may be cut, where that is news."""
        if self._cuts is None:
            return
        refusal = self._cuts.refusal(_now())
        if refusal != self._told:
            self._told = refusal
            await self.tell({"type": "cuts", "refusal": refusal})

    async def _conclude(self, call: Call) -> None:
        outcome = await call.outcome()
        report, no_report = None, ""
        if outcome.log is not None:
            report, no_report = await report_of(outcome.log)
        self._call = self._cuts = None
        if self._timer is not None:
            self._timer.cancel()
        await self.tell(
            {
                "type": "over",
                "problem": outcome.problem,
                "report": self._offer(report) if report else "",
                "no_report": no_report,
                "files": [
                    {"name": path.name, "place": self._offer(path)}
                    for path in outcome.files
                ],
            }
        )


def _harmless(value: Any) -> Any:
    """The same with all texts fit to be shown; the names are ours."""
    if isinstance(value, str):
        return harmless_lines(value)
    if isinstance(value, Mapping):
        return {name: _harmless(below) for name, below in value.items()}
    return [*map(_harmless, value)] if isinstance(value, list) else value


def _now() -> float:
    return asyncio.get_running_loop().time()
