"""The way to an endpoint, each step in all its states."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from proxy_servers import ConnectProxy, forward, identity, listening, port_of

from devkit.doctor.certificates import shown_certificate
from devkit.server import ServerThread

pytestmark = pytest.mark.standin("the doctor brings its own")


async def say_nothing(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.read()


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@contextmanager
def tls_front(server: ServerThread, context: ssl.SSLContext) -> Iterator[str]:
    with listening(forward(port_of(server)), context) as port:
        yield f"wss://localhost:{port}/v1"


def test_a_service_that_is_there(examine, server):
    outcome = examine(base_url=server.url)
    assert outcome.status == 0
    assert outcome.report["ok"] is True
    names = ("options", "proxy", "dns", "tcp", "session")
    assert {outcome.primary(name)["status"] for name in names} == {"ok"}
    assert outcome.primary("proxy")["summary"] == "none is used"
    [address] = outcome.primary("tcp")["data"]["addresses"]
    assert address["address"] == "127.0.0.1"
    assert address["tcp_ms"] >= 0
    assert address["tls_ms"] is None


def test_a_name_that_nobody_has(examine):
    outcome = examine(base_url="wss://nobody.invalid/v1")
    assert outcome.status == 1
    dns = outcome.primary("dns")
    assert dns["status"] == "failed"
    assert "nobody.invalid" in dns["summary"]
    assert dns["next"]
    assert outcome.primary("session")["status"] == "skipped"


def test_a_look_up_that_hangs(examine, monkeypatch):
    done = threading.Event()

    def hang(*arguments: object, **more: object) -> list[object]:
        done.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    outcome = examine("--timeout", "0.3", base_url="wss://slow.test/v1")
    done.set()
    assert outcome.status == 1
    assert "within 0.3 s" in outcome.primary("dns")["summary"]


def test_a_name_of_this_machine_that_leads_elsewhere(examine, monkeypatch):
    def elsewhere(*arguments: object, **more: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    outcome = examine(base_url="ws://localhost:9/v1")
    assert "leads to another machine" in outcome.primary("dns")["summary"]


def test_a_port_where_nobody_listens(examine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = examine(base_url=f"ws://127.0.0.1:{port}/v1")
    tcp = outcome.primary("tcp")
    assert (outcome.status, tcp["status"]) == (1, "failed")
    assert tcp["summary"] == "the connection was refused"
    assert f"127.0.0.1:{port}" in tcp["next"]
    assert outcome.primary("session")["status"] == "skipped"


def test_one_of_two_addresses_is_enough(examine, monkeypatch, server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]

    def two(*arguments: object, **more: object) -> list[object]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        ports = (closed, port_of(server))
        return [(*kind, ("127.0.0.1", port)) for port in ports]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    outcome = examine(base_url=f"ws://localhost:{port_of(server)}/v1")
    tcp = outcome.primary("tcp")
    assert tcp["status"] == "warning"
    assert tcp["summary"] == "1 of 2 addresses answer"
    assert any("refused" in line for line in tcp["detail"])
    assert outcome.primary("session")["status"] == "ok"
    assert outcome.status == 0


# -- TLS ----------------------------------------------------------------------


def test_a_certificate_of_a_ca_that_is_trusted(
    examine, server, authority, tmp_path
):
    with tls_front(server, identity(authority, "localhost")) as url:
        outcome = examine(base_url=url, ca_file=str(tmp_path / "ca.pem"))
    tls = outcome.primary("tls")
    assert tls["status"] == "ok"
    assert tls["data"]["addresses"][0]["tls_ms"] >= 0
    assert "certificate for localhost" in tls["detail"]
    assert outcome.primary("session")["status"] == "ok"


def test_a_certificate_of_a_ca_that_is_not(examine, server, authority):
    with tls_front(server, identity(authority, "localhost")) as url:
        outcome = examine(base_url=url)
    tls = outcome.primary("tls")
    assert tls["status"] == "failed"
    assert "certificate is refused" in tls["summary"]
    assert "ca_file" in tls["next"]
    assert "certificate for localhost" in tls["detail"]
    assert any("trustme" in line for line in tls["detail"])


def test_a_directory_among_the_names_of_a_certificate_is_passed_over():
    """Python gives it as a list of its parts."""
    directory = ((("commonName", "odd"),),)
    names = (("DirName", directory), ("DNS", "asr.test"))
    lines = shown_certificate({"subjectAltName": names})
    assert lines[0] == "certificate for asr.test"


def test_a_certificate_for_another_host(examine, server, authority, tmp_path):
    with tls_front(server, identity(authority, "other.test")) as url:
        outcome = examine(base_url=url, ca_file=str(tmp_path / "ca.pem"))
    tls = outcome.primary("tls")
    assert tls["status"] == "failed"
    assert "certificate for other.test" in tls["detail"]


@pytest.mark.parametrize(("days", "status"), [(-1, "failed"), (5, "warning")])
def test_a_certificate_whose_time_is_up(
    days, status, examine, server, authority, tmp_path
):
    end = datetime.now(timezone.utc) + timedelta(days=days, hours=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = authority.issue_cert(
        "localhost", not_after=end, not_before=end - timedelta(days=9)
    )
    made.configure_cert(context)
    with tls_front(server, context) as url:
        outcome = examine(base_url=url, ca_file=str(tmp_path / "ca.pem"))
    tls = outcome.primary("tls")
    assert tls["status"] == status
    said = "ends in 5 days" if days > 0 else "expired"
    assert said in tls["summary"]
    assert "certificate for localhost" in tls["detail"]


def test_a_port_that_speaks_no_tls(examine, server):
    url = server.url.replace("ws://127.0.0.1", "wss://localhost")
    tls = examine(base_url=url).primary("tls")
    assert tls["status"] == "failed"
    assert "nobody speaks TLS" in tls["next"]


def test_a_port_that_says_nothing_to_tls(examine):
    with listening(say_nothing) as port:
        url = f"wss://localhost:{port}/v1"
        tls = examine("--timeout", "0.3", base_url=url).primary("tls")
    assert tls["summary"] == "no answer within 0.3 s"


def test_a_file_of_cas_that_is_not_there(examine):
    outcome = examine(base_url="wss://127.0.0.1:9/v1", ca_file="nowhere.pem")
    found = outcome.primary("tls")
    assert found["status"] == "failed"
    assert "nowhere.pem" in found["summary"]


# -- proxies ------------------------------------------------------------------


def test_a_proxy_that_leads_there(examine, server, monkeypatch):
    proxy = ConnectProxy(port_of(server))
    with listening(proxy) as port:
        monkeypatch.setenv(
            "http_proxy", f"http://me:hush-hush@127.0.0.1:{port}"
        )
        outcome = examine(base_url="ws://asr.test/v1", allow_insecure=True)
    found = outcome.primary("proxy")
    assert found["summary"] == f"http://127.0.0.1:{port}, of http_proxy"
    assert outcome.primary("dns")["data"]["host"] == "127.0.0.1"
    assert outcome.primary("session")["status"] == "ok"
    assert "hush" not in outcome.out
    assert proxy.requests


def test_a_proxy_that_wants_a_password(examine, server, monkeypatch):
    proxy = ConnectProxy(1, b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n")
    with listening(proxy) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        outcome = examine(base_url="ws://asr.test/v1", allow_insecure=True)
    session = outcome.primary("session")
    assert session["status"] == "failed"
    assert "407" in session["summary"]
    assert "no_proxy" in session["next"]


def test_a_proxy_that_is_not_there(examine, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    tcp = examine(base_url="wss://asr.test/v1").primary("tcp")
    named = f"the proxy http://127.0.0.1:{port} (https_proxy)"
    assert tcp["summary"] == f"{named}: the connection was refused"
    assert named in tcp["next"]


def test_a_proxy_that_cannot_be_used(examine, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:hush-hush@[")
    outcome = examine(base_url="wss://asr.test/v1")
    found = outcome.primary("proxy")
    assert found["status"] == "failed"
    assert "https_proxy" in found["summary"]
    assert "hush" not in outcome.out


def test_no_network_where_nobody_wants_it(examine, monkeypatch):
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("the network was used")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    outcome = examine("--offline", "--audio", base_url="wss://asr.test/v1")
    assert outcome.status == 0
    for name in ("proxy", "dns", "session"):
        assert outcome.primary(name)["status"] == "skipped"
        assert outcome.primary(name)["next"]
    round_trip = outcome.checks["Round trip", "audio"]
    assert round_trip["status"] == "skipped"


def test_a_ca_file_is_read_where_none_is_needed(examine, server, tmp_path):
    """As a call reads it, which ends otherwise."""
    (tmp_path / "bad.pem").write_text("no certificate")
    for name, said in (("gone.pem", "cannot be read"), ("bad.pem", "PEM")):
        path = str(tmp_path / name)
        outcome = examine(base_url=server.url, ca_file=path)
        assert outcome.status == 1
        found = outcome.primary("ca_file")
        assert found["status"] == "failed"
        assert said in found["summary"]
