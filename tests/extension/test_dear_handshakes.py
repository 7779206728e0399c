"""A server that makes a TLS handshake dear: others of the process go on."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest
import trustme
from asr_call import Call, properties, run_call, spoken
from dear_certificates import DearServer
from http_service import over_http, serving, text
from proxy_servers import forward, identity, listening, port_of
from ten_packages.extension.openai_asr_python.connection import (
    http_client,
)

from devkit.server import ServerThread

pytestmark = pytest.mark.usefixtures("plain_loop")
#: It is imported where it is used, which takes longer than an attempt here.
assert http_client
#: Reading them takes several times as long as an attempt may.
COUNT, ATTEMPT_MS = 20, 500


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def computing(host: str) -> int:
    """How many handshakes with it are computed."""
    names = [thread.name for thread in threading.enumerate()]
    return names.count(f"openai_asr TLS {host}")


async def beats(
    call: Call, server: DearServer, host: str, errors: int
) -> tuple[int, int]:
    """How often the loop comes round from the dear answer on until so many
    errors are told; and the most handshakes that are computed then."""
    assert await asyncio.to_thread(server.sent.wait, 20)
    count = most = 0
    told = len(call.errors) + errors
    while len(call.errors) < told:
        await asyncio.sleep(0.01)
        count, most = count + 1, max(most, computing(host))
    return count, most


# Each by an address of its own: what is still computed for one host is waited
# for before it is tried again.
@pytest.mark.parametrize(
    ("place", "make", "by"),
    [
        ("127.0.0.11", properties, ""),
        ("127.0.0.12", over_http, ""),
        ("127.0.0.13", properties, "http"),
        ("127.0.0.14", over_http, "http"),
        ("127.0.0.15", properties, "https"),
        ("127.0.0.16", over_http, "https"),
    ],
)
def test_it_holds_neither_the_loop_nor_the_call(place, make, by, monkeypatch):
    server = DearServer(COUNT)
    seen: list[tuple[int, int]] = []
    behind = place.replace("127", "192")
    host = behind if by == "http" else place

    async def script(call: Call) -> None:
        if make is over_http:
            await call.send(spoken([[1, 2]])[0])
            await call.finalize("end")
        seen.append(await beats(call, server, host, 1))
        # It was given up before that was through.
        assert computing(host) == 1

    with listening(server, host=place) as port:
        url = f"https://{behind if by else f'{place}:{port}'}/v1"
        if by:
            monkeypatch.setenv("https_proxy", f"{by}://{place}:{port}")
        call = run_call(
            make(url, connect_timeout_ms=ATTEMPT_MS, stop_timeout_ms=100),
            script,
        )
    [(count, most)] = seen
    assert count > 10
    assert most == 1
    assert "time limit" in call.errors[-1]["message"]


def test_a_host_has_one_processor_at_most():
    place, server = "127.0.0.17", DearServer(3 * COUNT)
    seen: list[tuple[int, int]] = []

    async def script(call: Call) -> None:
        seen.append(await beats(call, server, place, 2))

    with listening(server, host=place) as port:
        run_call(
            properties(
                f"https://{place}:{port}/v1", connect_timeout_ms=ATTEMPT_MS
            ),
            script,
        )
    assert seen[0][1] == 1


@pytest.mark.parametrize(
    "make", [properties, over_http], ids=["websocket", "http"]
)
@pytest.mark.parametrize(("tickets", "ready"), [(20, True), (2000, False)])
def test_records_with_nothing_in_them_end_a_connection(
    make, tickets, ready, tmp_path
):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = identity(authority, "127.0.0.1")
    # Each has some 200 bytes, and they come before anything is said.
    tls.num_tickets = tickets

    async def script(call: Call) -> None:
        await call.send(spoken([[1, 2]])[0])
        await call.finalize("end")
        await call.until(lambda: call.texts or call.errors)

    with ServerThread() as server, serving(text("one")) as service:
        plain = service.port if make is over_http else port_of(server)
        with listening(forward(plain), tls) as port:
            url = f"https://127.0.0.1:{port}/v1"
            call = run_call(
                make(
                    url, ca_file=str(tmp_path / "ca.pem"), stop_timeout_ms=100
                ),
                script,
            )
    assert bool(call.texts) == ready
    assert bool(call.errors) != ready
    if make is over_http and not ready:
        told = call.errors[0]["message"]
        assert "TLS failed: too many records with little in them" in told


def test_text_in_ever_so_many_records_ends_a_connection(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def drip(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        # In TLS each has a record of its own.
        for byte in b"HTTP/1.1 101 Yes\r\nX: " + b"x" * 12_000:
            writer.write(bytes([byte]))
        await reader.read()

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    with listening(drip, identity(authority, "127.0.0.1")) as port:
        own = {"ca_file": str(tmp_path / "ca.pem"), "stop_timeout_ms": 100}
        call = run_call(
            properties(f"https://127.0.0.1:{port}/v1", **own), script
        )
    # It has not waited for the end of the answer.
    assert "time limit" not in call.errors[0]["message"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TLS in TLS")
def test_a_proxy_that_says_nothing_in_tls_without_an_end_is_left(
    tmp_path, monkeypatch
):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    left = threading.Event()

    async def drip(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        try:
            while not writer.is_closing():
                for _ in range(1000):
                    writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0)
        finally:
            left.set()

    async def script(call: Call) -> None:
        await call.until(lambda: call.errors)

    with listening(drip, identity(authority, "127.0.0.1")) as port:
        monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{port}")
        own = {"ca_file": str(tmp_path / "ca.pem"), "stop_timeout_ms": 100}
        call = run_call(properties("https://192.0.2.1/v1", **own), script)
        assert left.wait(20)
    assert "time limit" not in call.errors[0]["message"]
