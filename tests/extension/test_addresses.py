"""A host with several addresses, of which one says nothing (RFC 8305), or
says nothing after TCP."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from asr_call import Call, properties, run_call, spoken, text_of
from http_service import over_http, serving, text
from proxy_servers import (
    OK,
    ConnectProxy,
    SocksProxy,
    forward,
    identity,
    listening,
    port_of,
)
from raw_service import Manners, RawService
from ten_packages.extension.openai_asr_python.connection import (
    http_connection,
)
from ten_packages.extension.openai_asr_python.connection.eyeballs import (
    Avoided,
    addresses_of,
    first_socket,
)

TCP = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
Leads = Callable[..., None]


@contextmanager
def swallower() -> Iterator[tuple[str, int]]:
    """An address that answers no SYN: nobody takes from its full queue."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.2", 0))
        listening.listen(0)
        where = listening.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(where)
            waiting.append(one)
        yield where
        for one in waiting:
            one.close()


@contextmanager
def listener(host: str = "127.0.0.1") -> Iterator[tuple[str, int]]:
    with socket.socket() as listening:
        listening.bind((host, 0))
        listening.listen(8)
        yield listening.getsockname()


def closed_port() -> tuple[str, int]:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return nobody.getsockname()


async def peer_of(addresses) -> tuple[str, int]:
    work = first_socket([(*TCP, where) for where in addresses], Avoided())
    # What waits for the swallower waits for minutes.
    sock, address = await asyncio.wait_for(work, 30)
    with sock:
        assert address == (*TCP, sock.getpeername())
        return sock.getpeername()


async def test_an_address_that_swallows_packets_does_not_cost_the_attempt():
    with swallower() as silent, listener() as open_one:
        assert await peer_of([silent, open_one]) == open_one
        assert await peer_of([silent, silent, open_one]) == open_one


async def test_one_that_refuses_is_left_at_once():
    with listener() as open_one:
        assert await peer_of([closed_port(), open_one]) == open_one


async def test_an_address_is_not_looked_up(monkeypatch):
    """As uvloop does, in a pool where look-ups may hang."""

    async def hang(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", hang)
    monkeypatch.setattr(loop, "sock_connect", hang)
    with listener() as open_one:
        [found] = await addresses_of(*open_one, here=True)
        assert await peer_of([found[4]]) == open_one


async def test_look_ups_that_hang_are_in_the_way_of_no_other(monkeypatch):
    """Nor do those who want the same name need a thread each."""
    real, free = socket.getaddrinfo, threading.Event()
    asked = []

    def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        if host == "silent.test":
            assert free.wait(20)
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    waiting = [
        asyncio.ensure_future(addresses_of("silent.test", 1, here=False))
        for _ in range(40)
    ]
    await asyncio.sleep(0)
    # More than have room in a loop's pool.
    for number in range(40):
        [found] = await addresses_of(f"name{number}.test", 2, here=False)
        assert found[4] == ("127.0.0.1", 2)
    waiting[0].cancel()
    free.set()
    for each in waiting[1:]:
        assert (await each)[0][4] == ("127.0.0.1", 1)
    assert asked.count("silent.test") == 1
    await addresses_of("silent.test", 1, here=False)
    assert asked.count("silent.test") == 2


async def test_where_no_thread_is_to_be_had_a_look_up_may_be_tried_again(
    monkeypatch,
):
    def no_room(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_room)
        with pytest.raises(OSError, match="thread"):
            await addresses_of("localhost", 1, here=True)
    assert await addresses_of("localhost", 1, here=True)


async def test_where_none_answers_the_first_reason_is_told():
    with pytest.raises(ConnectionRefusedError):
        await peer_of([closed_port(), closed_port()])


async def test_of_a_name_with_thousands_some_of_both_families_count(
    monkeypatch, plain_loop
):
    six = [
        (socket.AF_INET6, *TCP[1:], ("2001:db8::1", 443, 0, n))
        for n in range(3000)
    ]
    four = [(*TCP, (f"192.0.2.{n}", 443)) for n in range(20)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: six + four)
    found = await addresses_of("many.test", 443, here=False)
    assert found[:4] == [six[0], four[0], six[1], four[1]]
    assert found[38:41] == [six[19], four[19], six[20]]
    assert len(found) == 64


async def test_few_are_waited_for_at_a_time():
    """Each takes a file of the process."""
    with swallower() as silent, listener() as open_one:
        before = open_files()
        work = asyncio.ensure_future(peer_of([silent] * 24 + [open_one]))
        most = 0
        while not work.done():
            most = max(most, open_files() - before)
            await asyncio.sleep(0.02)
        assert work.result() == open_one
    assert 4 <= most <= 9


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_an_attempt_that_is_cancelled_leaves_no_socket():
    with swallower() as silent:
        work = asyncio.ensure_future(
            first_socket([(*TCP, silent)] * 3, Avoided())
        )
        while len(asyncio.all_tasks()) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_attempt_goes_on_where_the_one_before_ran_out_of_time():
    with swallower() as silent, swallower() as other, listener() as open_one:
        found = [(*TCP, where) for where in (silent, other, open_one)]
        avoided = Avoided()
        for _ in range(2):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(first_socket(found, avoided), 0.1)
        sock, address = await first_socket(found, avoided)
        sock.close()
        assert address == found[2]
        assert avoided.last(found) == [found[2], *found[:2]]


def test_an_address_that_failed_comes_last_until_it_works():
    a, b, c = found = [(*TCP, (f"192.0.2.{n}", 443)) for n in range(3)]
    avoided = Avoided()
    assert avoided.last(found) == [a, b, c]
    avoided.failed(a)
    assert avoided.last(found) == [b, c, a]
    avoided.failed(b)
    assert avoided.last(found) == [c, a, b]
    avoided.failed(a)
    assert avoided.last(found) == [c, b, a]
    assert avoided.last([a, b]) == [b, a]
    avoided.worked(b)
    assert avoided.last(found) == [b, c, a]
    avoided.worked(c)
    avoided.worked(a)
    assert avoided.last(found) == found


def test_what_failed_is_not_remembered_without_end():
    """A resolver may name other addresses each time."""
    found = [(*TCP, (f"192.0.2.{n}", 443)) for n in range(255)]
    avoided = Avoided()
    for address in reversed(found):
        avoided.failed(address)
    last = avoided.last(found)
    assert last[:100] == [a for a in found if a in last[:100]]
    assert last[-1] == found[0]


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch, plain_loop: None) -> Leads:
    """``leads((host, port), …)``: where service.test leads to."""
    lookup = socket.getaddrinfo

    def set_addresses(*addresses: tuple[str, int]) -> None:
        def getaddrinfo(host: str, *rest: Any, **more: Any) -> Any:
            if host != "service.test":
                return lookup(host, *rest, **more)
            return [(*TCP, where) for where in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return set_addresses


def call_of_two_words(
    scheme: str = "ws", host: str = "service.test", **params: Any
) -> Call:
    """A call that is heard in the end."""
    audio, _ = spoken([[1, 2]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    url = f"{scheme}://{host}/v1"
    params = {"allow_insecure": True, "finalize_timeout_ms": 60_000, **params}
    call = run_call(properties(url, **params), script)
    assert call.texts == text_of([1, 2])
    assert len(call.errors) <= 1
    return call


def test_a_call_to_such_a_host(server, leads):
    with swallower() as silent:
        leads(silent, ("127.0.0.1", port_of(server)))
        call = call_of_two_words(connect_timeout_ms=60_000)
    assert call.errors == []


class Peer:
    """Counts what it is sent; ``answer`` to a request, None for no word."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.count = 0
        self._answer = answer

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.count += 1
        if self._answer is not None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
        else:
            await reader.read()


def place_in(call: Call) -> str:
    """Where the first attempt ended, but for the time."""
    error = call.errors[0]
    assert error["code"] == 1000
    found = re.search(r" \(at: (.+), after (\d+\.\d) s\)$", error["message"])
    assert found, error["message"]
    return found[1]


def test_after_one_that_says_nothing_another_address_is_tried(server, leads):
    mute = Peer()
    with listening(mute, host="127.0.0.2") as port:
        leads(("127.0.0.2", port), ("127.0.0.1", port_of(server)))
        call = call_of_two_words(connect_timeout_ms=2000)
    assert mute.count == 1
    assert place_in(call) == "HTTP answer, 127.0.0.2"
    assert call.errors[0]["vendor_info"]["code"] == "timeout"
    assert call.errors[0]["message"].startswith(
        "no connection within the time limit (at: "
    )


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"]
)
def test_after_one_that_refuses_another_address_is_tried(server, leads, answer):
    refuses = Peer(answer)
    with listening(refuses, host="127.0.0.2") as port:
        leads(("127.0.0.2", port), ("127.0.0.1", port_of(server)))
        call = call_of_two_words()
    assert refuses.count == 1
    if answer:
        assert "HTTP 503" in call.errors[0]["message"]
    else:
        assert place_in(call) == "HTTP answer, 127.0.0.2"


def test_after_one_without_tls_another_address_is_tried(
    server, leads, tmp_path: Path
):
    authority, mute = trustme.CA(), Peer()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = identity(authority, "service.test")
    with (
        listening(forward(port_of(server)), tls) as front,
        listening(mute, host="127.0.0.2") as port,
    ):
        leads(("127.0.0.2", port), ("127.0.0.1", front))
        call = call_of_two_words(
            "wss", connect_timeout_ms=2000, ca_file=str(tmp_path / "ca.pem")
        )
    assert mute.count == 1
    assert place_in(call) == "TLS, 127.0.0.2"


async def until_heard(call: Call) -> None:
    await call.send(spoken([[1, 2]])[0])
    await call.finalize("end")
    await call.until(lambda: call.texts)


def test_over_http_as_well(leads, tmp_path: Path):
    """There the service is asked after a request that failed."""
    authority, mute = trustme.CA(), Peer()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = identity(authority, "service.test")

    with (
        serving(text("one two")) as service,
        listening(forward(service.port), tls) as front,
        listening(mute, host="127.0.0.2") as port,
    ):
        leads(("127.0.0.2", port), ("127.0.0.1", front))
        config = over_http(
            "https://service.test/v1",
            connect_timeout_ms=1000,
            ca_file=str(tmp_path / "ca.pem"),
        )
        call = run_call(config, until_heard)
    assert call.texts == ["one two"]
    # It is not asked again there.
    assert mute.count == 1


def test_over_http_a_turn_without_an_answer_is_sent_to_another(
    leads, monkeypatch
):
    # A request has a third of a second.
    monkeypatch.setattr(http_connection, "_PATIENCE", 0.01)
    mute = Peer()

    with (
        serving(text("one two")) as service,
        listening(mute, host="127.0.0.2") as port,
    ):
        leads(("127.0.0.2", port), ("127.0.0.1", service.port))
        config = over_http("http://service.test/v1", allow_insecure=True)
        call = run_call(config, until_heard)
    assert call.texts == ["one two"]
    assert mute.count == 1
    assert len(service.files) == 1


PROXIES = {"http": ConnectProxy, "socks5h": SocksProxy}


@pytest.mark.parametrize("scheme", PROXIES)
def test_of_a_proxy_as_well(server, leads, monkeypatch, scheme):
    mute = Peer()
    proxy = PROXIES[scheme](port_of(server))
    with (
        listening(mute, host="127.0.0.2") as port,
        listening(proxy) as by,
    ):
        leads(("127.0.0.2", port), ("127.0.0.1", by))
        monkeypatch.setenv("all_proxy", f"{scheme}://service.test:9")
        call = call_of_two_words(host="asr.test", connect_timeout_ms=1000)
    assert mute.count == 1
    assert place_in(call) == "proxy"


@pytest.mark.parametrize("scheme", PROXIES)
def test_of_a_proxy_one_that_refuses_costs_no_attempt(
    server, leads, monkeypatch, scheme
):
    with listening(PROXIES[scheme](port_of(server))) as by:
        leads(closed_port(), ("127.0.0.1", by))
        monkeypatch.setenv("all_proxy", f"{scheme}://service.test:9")
        call = call_of_two_words(host="asr.test")
    assert call.errors == []


def test_after_one_that_opens_no_session_another_address_is_tried(
    server, leads
):
    busy = {"type": "error", "error": {"type": "server_error"}}
    with RawService([Manners(says=[busy], close=(1011, ""))]) as opens_none:
        where = ("127.0.0.1", opens_none.port)
        leads(where, ("127.0.0.1", port_of(server)))
        call_of_two_words()
    assert opens_none.connections == 1


def until_error(**params: Any) -> Call:
    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    url = "ws://service.test/v1"
    return run_call(properties(url, allow_insecure=True, **params), script)


def test_where_tcp_leads_nowhere_the_error_says_so(leads):
    with swallower() as silent:
        leads(silent)
        place = place_in(until_error(connect_timeout_ms=400))
    assert place == "TCP, service.test:80"


def test_where_a_look_up_fails_the_error_says_so(monkeypatch, plain_loop):
    def getaddrinfo(*_: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Try again")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    call = until_error()
    assert place_in(call) == "look-up of the host, service.test:80"
    assert "Try again (at: " in call.errors[0]["message"]


def test_where_a_proxy_says_nothing_the_error_says_so(monkeypatch):
    with listening(Peer()) as port:
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{port}")
        call = until_error(connect_timeout_ms=400)
    assert place_in(call) == "proxy"
    assert call.errors[0]["vendor_info"]["code"] == "proxy"


def test_behind_a_proxy_a_server_that_says_nothing_is_not_the_proxys_fault(
    monkeypatch,
):
    with listening(Peer()) as mute, listening(ConnectProxy(mute, OK)) as port:
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{port}")
        call = until_error(connect_timeout_ms=500)
    assert call.errors[0]["vendor_info"]["code"] == "timeout"
    assert place_in(call) == "HTTP answer, service.test:80"
    named = f"(by the proxy http://127.0.0.1:{port} (all_proxy))"
    assert named in call.errors[0]["message"]
