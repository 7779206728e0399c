"""Looks a host up, and connects to the first of its addresses that answers
(RFC 8305)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any, ClassVar

from ..service.endpoint import is_address, is_loopback_address
from .threads import in_thread

#: An address that says nothing costs so much, not the whole attempt; in
#: seconds (RFC 8305, 5).
_NEXT_AFTER_S = 0.25

#: Of a host with ever so many addresses so many are waited for at a time: each
#: takes a file of the process.
_MOST_AT_ONCE = 8

#: A name may lead to thousands; an attempt has no time for more.
_MOST_LOOKED_AT = 64

#: A resolver may name others each time.
_MOST_AVOIDED = 2 * _MOST_LOOKED_AT

#: As `socket.getaddrinfo` tells it: family, kind, protocol, name, address.
Address = tuple[int, int, int, str, tuple[Any, ...]]


class NotThisMachine(ValueError):
    """A name of this machine leads to another; the text says so."""


class Avoided:
    """Addresses of which no session came after TCP, where RFC 8305 ends, and
    those of an attempt for which the time ran out before another was tried."""

    def __init__(self) -> None:
        #: The one that failed last at the end.
        self._addresses: list[Address] = []

    def failed(self, address: Address) -> None:
        """It is tried last, until it works."""
        self.worked(address)
        self._addresses.append(address)
        del self._addresses[:-_MOST_AVOIDED]

    def worked(self, address: Address) -> None:
        """It is tried in its turn again."""
        if address in self._addresses:
            self._addresses.remove(address)

    def last(self, found: Sequence[Address]) -> list[Address]:
        """What was found, with these at the end; of them the one first that
        failed longest ago."""
        avoided = [a for a in self._addresses if a in found]
        return [a for a in found if a not in avoided] + avoided


class _LookUp:
    """A name that is looked up, in a thread of its own.

    Whoever wants the same name waits for the same look-up: one that hangs has
    one thread.  (The pool of the loop is shared by all who look up names there,
    and uvloop's ends the process where a thread is not to be had.)
    """

    _lock = threading.Lock()
    _under_way: ClassVar[dict[tuple[str, int], _LookUp]] = {}

    def __init__(self, name: str, port: int) -> None:
        self._place = name, port
        self.result = in_thread("openai_asr look-up", self._look_up)

    @classmethod
    def of(cls, name: str, port: int) -> _LookUp:
        """The one under way, or a new one; raises ``OSError`` where there is
        no thread for it."""
        with cls._lock:
            found = cls._under_way.get((name, port))
            if found is None:
                try:
                    found = cls(name, port)
                except RuntimeError as error:
                    raise OSError(errno.EAGAIN, str(error)) from error
                cls._under_way[name, port] = found
        return found

    def _look_up(self) -> Sequence[Address]:
        name, port = self._place
        try:
            return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        finally:
            with self._lock:
                del self._under_way[self._place]


async def addresses_of(host: str, port: int, here: bool) -> Sequence[Address]:
    """The addresses of a host, at least one, those of both families in turn;
    ``here``: of this very machine.

    Raises `NotThisMachine` where the resolver leads elsewhere: the key would
    go there in the clear, and around a proxy.
    """
    name, kind = host.rstrip(".") if here else host, socket.SOCK_STREAM
    found: Sequence[Address]
    if is_address(name):
        # Nothing to look up, and no thread to be had for it.
        numeric = socket.AI_NUMERICHOST
        found = socket.getaddrinfo(name, port, type=kind, flags=numeric)
    else:
        looking = asyncio.wrap_future(_LookUp.of(name, port).result)
        found = await looking
    if here:
        # A server may listen on one of ::1 and 127.0.0.1 only.
        found = [a for a in found if is_loopback_address(str(a[4][0]))]
        if not found:
            raise NotThisMachine(
                f"websocket_base_url: {host} leads to another machine here"
                " (hosts file, DNS), so nothing was sent; write 127.0.0.1, or"
                " give the other machine a name of its own"
            )
    return _families_in_turn(found)[:_MOST_LOOKED_AT]


async def first_socket(
    found: Sequence[Address], avoided: Avoided
) -> tuple[socket.socket, Address]:
    """A socket that is connected to one of these addresses, and that one.

    They are tried in their order, but for what is ``avoided``; the next one as
    soon as one fails, or says nothing for a while; where many say nothing, the
    first of them is given up.  Where the time is up or none is left, the next
    attempt begins with those that were not tried.
    Raises what the first of them failed with.  (`loop.create_connection` does
    this as well, but not in every event loop that hosts use.)
    """
    assert found
    waiting = avoided.last(found)
    tried = []
    running: list[asyncio.Task[tuple[socket.socket, Address]]] = []
    problem: BaseException | None = None
    try:
        while waiting or running:
            if waiting:
                if len(running) == _MOST_AT_ONCE:
                    _give_up(running.pop(0))
                address = waiting.pop(0)
                tried.append(address)
                running.append(asyncio.ensure_future(_connected(address)))
            done, _ = await asyncio.wait(
                running,
                timeout=_NEXT_AFTER_S if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                # Another one that is there in the same moment is closed.
                running.remove(task)
                if task.exception() is None:
                    return task.result()
                problem = problem or task.exception()
        assert problem is not None
        raise problem
    except BaseException:
        for address in tried:
            avoided.failed(address)
        raise
    finally:
        for task in running:
            _give_up(task)


def _families_in_turn(found: Sequence[Address]) -> list[Address]:
    families = dict.fromkeys(address[0] for address in found)
    each = ([a for a in found if a[0] == family] for family in families)
    return [a for a in chain(*zip_longest(*each)) if a is not None]


async def _connected(address: Address) -> tuple[socket.socket, Address]:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock, address


async def connect(sock: socket.socket, where: tuple[Any, ...]) -> None:
    """Connect a socket to an address; raises ``OSError``.

    (That of uvloop, `sock_connect`, asks for the address of the address, in the
    pool where look-ups may hang, and forgets the scope of an IPv6 address.)
    """
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    number = sock.connect_ex(where)
    if number in (errno.EINPROGRESS, errno.EINTR):
        loop.add_writer(sock, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_writer(sock)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise OSError(number, os.strerror(number))


def _give_up(task: asyncio.Task[tuple[socket.socket, Address]]) -> None:
    task.cancel()
    task.add_done_callback(_close)


def _close(task: asyncio.Task[tuple[socket.socket, Address]]) -> None:
    """It came about too late."""
    with contextlib.suppress(asyncio.CancelledError, Exception):
        task.result()[0].close()
