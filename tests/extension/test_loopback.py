"""A name of this machine counts for what it leads to, not for its letters."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from asr_call import Call, properties, run_call
from proxy_servers import ConnectProxy, forward, identity, listening, port_of

FATAL, PASSING = -1000, 1000
#: Connected to, it is this machine, but nothing says so.
ELSEWHERE = "0.0.0.0"

Addresses = list[tuple[str, int]]


class Resolver:
    """Knows some names; ``leads`` has one answer after the other for each,
    the last one for all that follow."""

    def __init__(self) -> None:
        self.leads: dict[str, list[Addresses | Exception]] = {}
        self.held = threading.Event()
        self.held.set()
        self.in_a_loop = 0
        self._real = socket.getaddrinfo

    def __call__(self, host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host not in self.leads:
            return self._real(host, port, *rest, **more)
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            self.in_a_loop += 1
        self.held.wait(30)
        answers = self.leads[host]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (name, number, 0, 0))
            if ":" in name
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, number))
            for name, number in answer
        ]


@pytest.fixture
def resolver(
    monkeypatch: pytest.MonkeyPatch, plain_loop: None
) -> Iterator[Resolver]:
    fake = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", fake)
    yield fake
    assert fake.in_a_loop == 0, "the loop is shared"


class Counted:
    """Hands connections on to a port, and counts them."""

    def __init__(self, port: int) -> None:
        self._serve = forward(port)
        self.count = 0

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.count += 1
        await self._serve(reader, writer)


def attempt(url: str, **params: Any) -> Call:
    """A call until its first session or error."""

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors or call.metric("connect_delay"))

    return run_call(properties(url, **params), script)


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.localhost", "a.b.localhost", "LocalHost", "a.localhost."],
)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_name_of_this_machine_that_leads_elsewhere_gets_nothing(
    host, scheme, server, resolver, monkeypatch
):
    elsewhere, proxy = Counted(port_of(server)), ConnectProxy(9)
    with listening(elsewhere) as port, listening(proxy) as proxy_port:
        resolver.leads[host.lower().rstrip(".")] = [[(ELSEWHERE, port)]]
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{proxy_port}")
        call = attempt(f"{scheme}://{host}:{port}/v1")
    [error] = call.errors
    assert error["code"] == FATAL
    assert error["vendor_info"]["code"] == "url"
    assert error["message"].startswith("websocket_base_url: ")
    assert f"{host.lower()} leads to another machine" in error["message"]
    assert elsewhere.count == 0
    assert proxy.requests == []


def test_of_several_addresses_only_this_machines_are_connected_to(
    server, resolver
):
    elsewhere = Counted(port_of(server))
    with listening(elsewhere) as port:
        resolver.leads["a.localhost"] = [
            [(ELSEWHERE, port), ("127.0.0.1", port_of(server))]
        ]
        call = attempt("ws://a.localhost/v1")
    assert call.errors == []
    assert len(server.sessions) == 1
    assert elsewhere.count == 0


@pytest.mark.parametrize("listens", ["127.0.0.1", "::1"])
def test_a_server_may_listen_on_one_address_of_this_machine(
    listens, server, resolver
):
    try:
        with listening(forward(port_of(server)), host=listens) as port:
            both = [(name, port) for name in ("::1", "127.0.0.1")]
            # The one that nobody listens on comes first.
            both.sort(key=lambda address: address[0] == listens)
            resolver.leads["localhost"] = [both]
            call = attempt(f"ws://localhost:{port}/v1")
    except OSError:
        pytest.skip(f"no {listens} here")
    assert call.errors == []
    assert len(server.sessions) == 1


def test_where_nobody_listens_it_is_tried_again(resolver):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    resolver.leads["localhost"] = [[("127.0.0.1", port)]]
    call = attempt(f"ws://localhost:{port}/v1")
    assert call.errors[0]["code"] == PASSING
    assert call.errors[0]["vendor_info"]["code"] == "refused"


def test_a_resolver_that_fails_is_asked_again(server, resolver):
    again = socket.gaierror(socket.EAI_AGAIN, "Try again")
    resolver.leads["a.localhost"] = [again, [("127.0.0.1", port_of(server))]]

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))

    call = run_call(properties("ws://a.localhost/v1"), script)
    assert call.codes == [PASSING]
    assert "Try again" in call.errors[0]["message"]


def test_a_resolver_that_hangs_is_given_up(resolver):
    resolver.leads["a.localhost"] = [[("127.0.0.1", 9)]]
    resolver.held.clear()

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)
        resolver.held.set()

    call = run_call(
        properties("ws://a.localhost/v1", connect_timeout_ms=100), script
    )
    assert call.errors[0]["vendor_info"]["code"] == "timeout"


@pytest.mark.parametrize("known_as", ["asr.localhost", "127.0.0.1"])
def test_the_name_stays_what_it_is_for_the_server(
    known_as, server, resolver, tmp_path: Path
):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = identity(authority, known_as)
    with listening(forward(port_of(server)), context) as port:
        resolver.leads["asr.localhost"] = [[("127.0.0.1", port)]]
        call = attempt(
            f"https://asr.localhost:{port}/v1", ca_file=str(tmp_path / "ca.pem")
        )
    if known_as == "asr.localhost":
        assert call.errors == []
        host = server.sessions[0].headers["host"]
        assert host == f"asr.localhost:{port}"
    else:
        assert "not valid for 'asr.localhost'" in call.errors[0]["message"]
        assert server.sessions == []


def test_an_ipv4_address_in_ipv6_is_this_machine_as_well(server):
    call = attempt(f"ws://[::ffff:127.0.0.1]:{port_of(server)}/v1")
    assert call.errors == []
    assert len(server.sessions) == 1
