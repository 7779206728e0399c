"""How a service over HTTP is reached: TLS, proxies, names of this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from asr_call import Call, run_call, spoken
from http_service import HttpService, over_http, serving, text
from proxy_servers import (
    ConnectProxy,
    SocksProxy,
    forward,
    identity,
    listening,
)
from ten_packages.extension.openai_asr_python.connection import http_client
from ten_packages.extension.openai_asr_python.connection.dialer import Dialer

ROOT = Path(__file__).resolve().parents[2]
FATAL, PASSING = -1000, 1000
PATH = "/v1/audio/transcriptions"
SOON = text("one two")
pytestmark = pytest.mark.usefixtures("plain_loop")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that are known here, and where they lead."""
    known = {"asr.test": ["127.0.0.1"]}
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        places = known.get(name, [host])
        return [found for p in places for found in real(p, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


async def say(call: Call) -> None:
    """Until a final came, or the second error, or a fatal one."""
    await call.send(spoken([[1, 2]])[0])
    await call.finalize("end")
    await call.until(
        lambda: call.texts or FATAL in call.codes or len(call.errors) > 1
    )


def run(url: str, **params: Any) -> Call:
    return run_call(over_http(url, **params), say)


def heard(call: Call, service: HttpService) -> bool:
    return call.texts == ["one two"] and len(service.files) == 1


# -- TLS --------------------------------------------------------------------


@pytest.mark.parametrize("host", ["asr.test", "a.localhost", "localhost"])
def test_a_ca_of_ones_own_is_trusted(host, leads, authority, tmp_path):
    leads["a.localhost"] = ["127.0.0.1"]
    with (
        serving(SOON) as service,
        listening(forward(service.port), identity(authority, host)) as port,
    ):
        url = f"https://{host}:{port}/v1"
        call = run(url, ca_file=str(tmp_path / "ca.pem"))
        assert heard(call, service)
        assert service.files[0].headers["host"] == f"{host}:{port}"
        assert call.errors == []
        # Not without it.
        call = run(url)
        assert "certificate is refused" in call.errors[0]["message"]
        assert len(service.files) == 1


def test_a_certificate_for_another_host_is_refused(leads, authority, tmp_path):
    tls = identity(authority, "other.test")
    with (
        serving(SOON) as service,
        listening(forward(service.port), tls) as port,
    ):
        url = f"https://asr.test:{port}/v1"
        call = run(url, ca_file=str(tmp_path / "ca.pem"))
        assert service.files == []
    assert "not valid for 'asr.test'" in call.errors[0]["message"]
    assert "ca_file" in call.errors[0]["message"]


def test_a_ca_file_that_is_none_is_fatal(tmp_path):
    (tmp_path / "none.pem").write_text("none")
    with serving(SOON) as service:
        url = f"https://127.0.0.1:{service.port}/v1"
        call = run(url, ca_file=str(tmp_path / "none.pem"))
    assert call.codes[0] == FATAL
    assert "ca_file" in call.errors[0]["message"]


# -- names of this machine ----------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "a.localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_elsewhere_gets_nothing(host, scheme, leads):
    leads[host] = ["0.0.0.0"]
    with serving(SOON) as service:
        call = run(f"{scheme}://{host}:{service.port}/v1")
        assert service.files == service.asks == []
    assert call.codes == [FATAL]
    assert "leads to another machine" in call.errors[0]["message"]


@pytest.mark.parametrize("first", ["127.0.0.1", "127.0.0.2"])
def test_a_server_may_listen_on_one_of_several_addresses(first, leads):
    leads["localhost"] = [first, "127.0.0.1"]
    with serving(SOON) as service:
        call = run(f"http://localhost:{service.port}/v1")
        assert heard(call, service)
    assert call.errors == []


def test_it_is_looked_at_again_for_each_file(leads):
    leads["localhost"] = ["127.0.0.1"]

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        leads["localhost"] = ["0.0.0.0"]
        await call.send(spoken([[1, 2]])[0])
        await call.finalize("end")
        await call.until(lambda: FATAL in call.codes)

    with serving(SOON) as service:
        url = f"http://localhost:{service.port}/v1"
        call = run_call(over_http(url), script)
        assert service.files == service.asks == []
    [fatal] = [e for e in call.errors if e["code"] == FATAL]
    assert "leads to another machine" in fatal["message"]


# -- proxies ------------------------------------------------------------------


@pytest.mark.parametrize(
    "variable",
    ["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"],
)
def test_a_proxy_is_never_gone_around(
    variable, leads, authority, tmp_path, monkeypatch
):
    with (
        serving(SOON) as service,
        listening(
            forward(service.port), identity(authority, "asr.test")
        ) as port,
    ):
        proxy = ConnectProxy(port)
        with listening(proxy) as by:
            monkeypatch.setenv(variable, f"http://me:hush@127.0.0.1:{by}")
            call = run(
                f"https://asr.test:{port}/v1",
                ca_file=str(tmp_path / "ca.pem"),
            )
        assert heard(call, service)
    [request] = proxy.requests
    assert request.startswith(f"CONNECT asr.test:{port} ")
    assert "Basic bWU6aHVzaA==" in request
    assert "sk-test" not in request


def test_no_proxy_names_the_hosts_that_need_none(leads, monkeypatch):
    with serving(SOON) as service:
        monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "asr.test")
        url = f"http://asr.test:{service.port}/v1"
        assert heard(run(url, allow_insecure=True), service)
        monkeypatch.delenv("no_proxy")
        call = run(url, allow_insecure=True)
        assert len(service.files) == 1
    assert call.errors[0]["code"] == PASSING
    # The request, and the question that follows it.
    for told in call.errors[:2]:
        assert told["message"].count("127.0.0.1:9 (all_proxy)") == 1


def test_this_machine_is_reached_without_one(monkeypatch):
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    with serving(SOON) as service:
        assert heard(run(service.url), service)


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        ("socks5://127.0.0.1:9", "python-socks[asyncio]"),
        ("gopher://127.0.0.1:9", "its scheme is none of"),
    ],
)
def test_one_that_cannot_be_used_is_fatal(proxy, told, leads, monkeypatch):
    if told.startswith("python-socks"):
        name = "python_socks.async_.asyncio"
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("all_proxy", proxy)
    with serving(SOON) as service:
        url = f"http://asr.test:{service.port}/v1"
        call = run(url, allow_insecure=True)
        assert service.files == []
    assert call.codes == [FATAL]
    assert call.errors[0]["vendor_info"]["code"] == "proxy"
    assert told in call.errors[0]["message"]
    assert "(all_proxy)" in call.errors[0]["message"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_ipv6_address_is_asked_for_in_brackets(
    scheme, authority, tmp_path, monkeypatch
):
    """Else nobody knows where it ends and the port begins."""
    with (
        serving(SOON) as service,
        listening(
            forward(service.port), identity(authority, "2001:db8::1")
        ) as port,
    ):
        proxy = ConnectProxy(port)
        with listening(proxy if scheme == "https" else service) as by:
            monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{by}")
            url = f"{scheme}://[2001:db8::1]:8443/v1"
            call = run(
                url, ca_file=str(tmp_path / "ca.pem"), allow_insecure=True
            )
        assert heard(call, service)
    where = "[2001:db8::1]:8443"
    assert service.files[0].headers["host"] == where
    if scheme == "https":
        assert proxy.requests[0].count(where) == 2
    else:
        assert service.files[0].target.startswith(f"http://{where}/v1/audio")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_that_wants_a_password_is_fatal(scheme, leads, monkeypatch):
    answer = b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n"
    with listening(ConnectProxy(9, answer)) as by:
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{by}")
        call = run(f"{scheme}://asr.test/v1", allow_insecure=True)
    assert FATAL in call.codes
    told = f"the proxy http://127.0.0.1:{by} (all_proxy) answered HTTP 407"
    assert told in call.errors[0]["message"]


def test_names_that_hang_hold_up_no_address(monkeypatch):
    """All that looks names up shares the threads of the loop's pool."""
    ended, real = threading.Event(), Dialer.open

    async def dial(self: Dialer, settings: Any, **options: Any) -> Any:
        pool = ThreadPoolExecutor(1)
        pool.submit(ended.wait)
        asyncio.get_running_loop().set_default_executor(pool)
        return await real(self, settings, **options)

    async def script(call: Call) -> None:
        try:
            await say(call)
        finally:
            ended.set()

    monkeypatch.setattr(Dialer, "open", dial)
    with serving(SOON) as service:
        assert heard(run_call(over_http(service.url), script), service)


def test_before_the_first_call_nobody_is_spoken_to():
    """Whoever listens where a client warms up would hold it."""
    script = """
import sys
from devkit.bootstrap import ensure_ten
ensure_ten()
from ten_packages.extension.openai_asr_python.connection import http_client
asked = []
def note(name, args):
    if name == "socket.connect" and isinstance(args[1], tuple):
        asked.append(args)
    if name == "socket.bind":
        bound.append(args[0])
bound = []
sys.addaudithook(note)
http_client._warm_up()
assert asked == bound == [], (asked, bound)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_PROJECT_ID", "Bücher"),
        ("OPENAI_ORG_ID", "a\nb"),
        ("OPENAI_BASE_URL", "https://gw.example:port/SECRETpath/v1"),
        ("OPENAI_BASE_URL", "https://gw.example/SECRETpath/v1"),
        ("OPENAI_CUSTOM_HEADERS", "X-Odd: Bücher"),
        ("OPENAI_API_KEY", "sk-SECRETpath-0123456789"),
        ("OPENAI_WEBHOOK_SECRET", "whsec_Bücher"),
        ("OPENAI_ADMIN_KEY", "sk-admin-Bücher"),
    ],
)
def test_the_environment_of_the_package_is_nothing_to_us(
    name, value, monkeypatch, caplog
):
    """Neither for a request nor for what makes it ready."""
    monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    http_client._warm_up.__wrapped__()

    async def script(call: Call) -> None:
        await call.send(spoken([[1, 2]])[0])
        await call.finalize("end")
        await call.until(lambda: call.texts or call.errors)

    with serving(SOON, asks=[]) as service:
        call = run_call(over_http(service.url), script)
    assert (call.texts, call.errors) == (["one two"], [])
    sent = str(service.files[0].headers)
    assert "SECRET" not in caplog.text + sent
    assert "x-odd" not in sent


@pytest.mark.parametrize(
    ("scheme", "version", "user"),
    [("socks5h", 5, "me:hush@"), ("socks4a", 4, "")],
)
def test_a_socks_proxy_leads_on(scheme, version, user, leads, monkeypatch):
    with serving(SOON) as service:
        proxy = SocksProxy(service.port, ("me", "hush") if user else None)
        with listening(proxy) as by:
            monkeypatch.setenv("all_proxy", f"{scheme}://{user}127.0.0.1:{by}")
            url = f"http://asr.test:{service.port}/v1"
            assert heard(run(url, allow_insecure=True), service)
    assert proxy.asked == [(version, "asr.test", service.port)]


def test_a_wrong_password_for_a_socks_proxy_is_fatal(leads, monkeypatch):
    with listening(SocksProxy(9, ("me", "other"))) as by:
        monkeypatch.setenv("all_proxy", f"socks5h://me:hush@127.0.0.1:{by}")
        call = run("https://asr.test/v1")
    assert FATAL in call.codes
    assert "authentication" in call.errors[0]["message"]
    assert "hush" not in str(call.errors)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_one_that_says_nothing_costs_the_time_of_a_connection(
    scheme, leads, monkeypatch
):
    """And not that of a turn."""

    async def silent(reader, writer) -> None:
        await reader.read()

    with listening(silent) as by:
        monkeypatch.setenv("all_proxy", f"{scheme}://127.0.0.1:{by}")
        call = run("https://asr.test/v1", connect_timeout_ms=300)
    assert call.errors[0]["code"] == PASSING
    told = f"{scheme}://127.0.0.1:{by} (all_proxy) gave no connection within"
    assert told in call.errors[0]["message"]
