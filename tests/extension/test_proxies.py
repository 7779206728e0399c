"""What the environment says of proxies is what happens to a call.

The name ``asr.test`` is known here, so a call that goes around its proxy
reaches the service, and is seen.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from asr_call import Call, properties, run_call, spoken, text_of
from proxy_servers import (
    OK,
    ConnectProxy,
    SocksProxy,
    forward,
    identity,
    listening,
    port_of,
)

from devkit.server import ServerThread

FATAL, PASSING = -1000, 1000
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "hush:w@rd%"
USER_PART = "me%20too:hush%3Aw%40rd%25"
KINDS = ("wss", "ws", "socks", "https", "http", "all", "no")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KINDS:
        monkeypatch.delenv(f"{kind}_proxy", raising=False)
        monkeypatch.delenv(f"{kind}_PROXY".upper(), raising=False)


@pytest.fixture(autouse=True)
def resolved(monkeypatch: pytest.MonkeyPatch, plain_loop: None) -> list[str]:
    """The names that were looked up on this machine."""
    names: list[str] = []
    real = socket.getaddrinfo

    def known(host: str, *rest: Any, **more: Any) -> Any:
        names.append(host)
        if host == "gone.test":
            raise socket.gaierror(socket.EAI_NONAME, "No such name")
        return real("127.0.0.1" if host == "asr.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", known)
    return names


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@contextmanager
def in_tls(
    server: ServerThread, authority: trustme.CA, name: str = "asr.test"
) -> Iterator[int]:
    with listening(forward(port_of(server)), identity(authority, name)) as port:
        yield port


def plain_url(server: ServerThread) -> str:
    return f"ws://asr.test:{port_of(server)}/v1"


def attempt(url: str, errors: int = 1, **params: Any) -> Call:
    """A call until its first session, or so many errors."""

    async def script(call: Call) -> None:
        await call.until(
            lambda: (
                len(call.errors) >= errors
                or call.codes[-1:] == [FATAL]
                or call.metric("connect_delay")
            )
        )

    return run_call(
        properties(url, **{"allow_insecure": True} | params), script
    )


def test_a_refusal_over_tls_is_told_and_nothing_else(
    authority, ca_file, caplog, capfd
):
    """asyncio would tell of what `websockets` raises behind a refusal."""

    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    with listening(refuse, identity(authority, "localhost")) as port:
        call = attempt(f"wss://localhost:{port}/v1", ca_file=ca_file)
    assert call.codes == [FATAL]
    assert "Traceback" not in caplog.text + capfd.readouterr().err


def fault(call: Call, code: int, *parts: str) -> str:
    """What a call says of its proxy; has these parts."""
    error = call.errors[0]
    # There may have been time for another attempt, but not after a fatal one.
    assert call.codes == [code] * (1 if code == FATAL else len(call.codes))
    assert error["vendor_info"]["code"] == "proxy"
    for part in parts:
        assert part in error["message"]
    return str(error["message"])


# -- which proxy ------------------------------------------------------------


@pytest.mark.parametrize(
    "variable",
    ["wss_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
)
def test_a_call_goes_by_the_proxy_of_the_environment(
    variable,
    server,
    authority,
    ca_file,
    monkeypatch,
    resolved,
    caplog,
    host_log,
):
    with in_tls(server, authority) as front:
        proxy = ConnectProxy(front)
        with listening(proxy) as port:
            monkeypatch.setenv(variable, f"http://{USER_PART}@127.0.0.1:{port}")
            call = attempt("https://asr.test/v1", ca_file=ca_file)
    assert call.errors == []
    assert len(server.sessions) == 1
    [request] = proxy.requests
    assert request.startswith("CONNECT asr.test:443 ")
    basic = base64.b64encode(f"me too:{PASSWORD}".encode()).decode()
    assert f"Proxy-Authorization: Basic {basic}\r\n" in request
    assert "Bearer" not in request, "the key is for the service"
    assert "asr.test" not in resolved
    assert "hush" not in caplog.text + host_log.text


@pytest.mark.parametrize(
    "variable", ["ws_proxy", "https_proxy", "http_proxy", "all_proxy"]
)
def test_plain_connections_go_by_proxy_as_well(variable, server, monkeypatch):
    proxy = ConnectProxy(port_of(server))
    with listening(proxy) as port:
        # An HTTP proxy where nothing else is said, as for curl.
        monkeypatch.setenv(variable, f"127.0.0.1:{port}")
        call = attempt("ws://asr.test/v1")
    assert call.errors == []
    assert proxy.requests[0].startswith("CONNECT asr.test:80 ")


def test_a_proxy_for_http_is_none_for_tls(
    server, authority, ca_file, monkeypatch
):
    proxy = ConnectProxy(9)
    with in_tls(server, authority) as front, listening(proxy) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        call = attempt(f"https://asr.test:{front}/v1", ca_file=ca_file)
    assert call.errors == []
    assert proxy.requests == []


@pytest.mark.parametrize(
    "listed", ["*", "asr.test", ".test", "a.test, asr.test:{port}"]
)
def test_no_proxy_lists_what_is_reached_directly(listed, server, monkeypatch):
    proxy = ConnectProxy(9)
    with listening(proxy) as port:
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", listed.format(port=port_of(server)))
        call = attempt(plain_url(server))
    assert call.errors == []
    assert proxy.requests == []


def test_this_machine_is_never_reached_by_proxy(server, monkeypatch):
    proxy = ConnectProxy(9)
    with listening(proxy) as port:
        for kind in KINDS[:-1]:
            monkeypatch.setenv(f"{kind}_proxy", f"http://127.0.0.1:{port}")
        call = attempt(server.url, allow_insecure=False)
    assert call.errors == []
    assert proxy.requests == []


def test_a_proxy_may_have_an_ipv6_address(server, monkeypatch):
    proxy = ConnectProxy(port_of(server))
    try:
        with listening(proxy, host="::1") as port:
            monkeypatch.setenv("https_proxy", f"http://[::1]:{port}")
            call = attempt(plain_url(server))
    except OSError:
        pytest.skip("no IPv6 here")
    assert call.errors == []
    assert len(proxy.requests) == 1


# -- certificates -----------------------------------------------------------


def test_the_services_certificate_is_checked_through_a_proxy(
    server, authority, ca_file, monkeypatch
):
    with (
        in_tls(server, authority, "other.test") as front,
        listening(ConnectProxy(front)) as port,
    ):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        call = attempt("https://asr.test/v1", ca_file=ca_file)
    error = call.errors[0]
    assert error["code"] == PASSING
    assert error["vendor_info"]["code"] == "tls"
    assert "not valid for 'asr.test'" in error["message"]
    shown = f"(by the proxy http://127.0.0.1:{port} (https_proxy))"
    assert shown in error["message"]
    assert server.sessions == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TLS in TLS")
def test_a_proxy_with_tls_is_checked_against_the_same_cas(
    server, authority, ca_file, monkeypatch
):
    with in_tls(server, authority) as front:
        proxy = ConnectProxy(front)
        with listening(proxy, identity(authority, "127.0.0.1")) as port:
            monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{port}")
            call = attempt("https://asr.test/v1", ca_file=ca_file)
            assert call.errors == []
            assert len(proxy.requests) == 1
            call = attempt("https://asr.test/v1")
    error = call.errors[0]
    assert error["vendor_info"]["code"] == "tls"
    assert "certificate is refused" in error["message"]
    assert f"https://127.0.0.1:{port} (https_proxy)" in error["message"]
    assert len(proxy.requests) == len(server.sessions) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TLS in TLS")
@pytest.mark.parametrize(
    ("host", "part"),
    [
        ("other.test", "the server's certificate is refused: "),
        (None, ""),
    ],
)
def test_tls_that_fails_behind_a_proxy_with_tls_is_told_as_elsewhere(
    host, part, server, authority, ca_file, monkeypatch
):
    """asyncio of Python 3.11 raises a TypeError of its own there."""
    with contextlib.ExitStack() as stack:
        # Without a name: what answers there speaks no TLS.
        end = port_of(server)
        if host is not None:
            end = stack.enter_context(in_tls(server, authority, host))
        proxy = ConnectProxy(end)
        tls = identity(authority, "127.0.0.1")
        port = stack.enter_context(listening(proxy, tls))
        monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{port}")
        call = attempt("https://asr.test/v1", ca_file=ca_file)
    [error, *_] = call.errors
    assert error["vendor_info"]["code"] == "tls"
    assert part in error["message"]
    assert f"https://127.0.0.1:{port} (https_proxy)" in error["message"]


@pytest.mark.parametrize(
    "by",
    [
        None,
        "http",
        pytest.param(
            "https",
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="TLS in TLS"
            ),
        ),
    ],
)
def test_a_call_in_tls_loses_no_word(
    by, server, authority, ca_file, monkeypatch
):
    turns = [[3 * turn + word for word in (1, 2, 3)] for turn in range(30)]

    async def script(call: Call) -> None:
        await call.send(spoken(turns)[0])
        await call.finalize("end")
        await call.until_finalized("end")

    with in_tls(server, authority) as front:
        tls = identity(authority, "127.0.0.1") if by == "https" else None
        with listening(ConnectProxy(front), tls) as port:
            if by:
                monkeypatch.setenv("https_proxy", f"{by}://127.0.0.1:{port}")
            url = f"https://asr.test{'' if by else f':{front}'}/v1"
            call = run_call(properties(url, ca_file=ca_file), script)
    assert call.errors == []
    assert call.texts == text_of(*turns)


# -- proxies that do not do it ----------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "part"),
    [
        (b"HTTP/1.1 407 Who?\r\n\r\n", FATAL, "answered HTTP 407: user name"),
        (b"HTTP/1.1 403 No\r\n\r\n", FATAL, "answered HTTP 403"),
        (b"HTTP/1.1 429 Slow\r\n\r\n", PASSING, "answered HTTP 429"),
        (b"HTTP/1.1 502 Bad\r\n\r\n", PASSING, "answered HTTP 502"),
        (b"HTTP/1.1 504 Late\r\n\r\n", PASSING, "answered HTTP 504"),
        (b"\x15\x03\x03\x00\x02\x02\x0a\r\n", PASSING, "no answer in HTTP"),
        (b"", PASSING, "no answer in HTTP"),
        (None, PASSING, "within the time limit"),
    ],
)
def test_a_proxy_that_refuses_is_named_and_not_gone_around(
    answer, code, part, server, monkeypatch, caplog, host_log
):
    proxy = ConnectProxy(9, answer)
    with listening(proxy) as port:
        monkeypatch.setenv(
            "https_proxy", f"http://{USER_PART}@127.0.0.1:{port}"
        )
        limit_ms = 200 if answer is None else 10_000
        call = attempt(plain_url(server), connect_timeout_ms=limit_ms)
    named = f"the proxy http://127.0.0.1:{port} (https_proxy) "
    message = fault(call, code, named, part)
    assert server.sessions == []
    for text in (message, str(call.messages), caplog.text, host_log.text):
        assert "hush" not in text
        assert "me%20too" not in text


def test_a_proxy_that_is_busy_is_asked_again(server, monkeypatch):
    busy = b"HTTP/1.1 503 Busy\r\n\r\n"
    proxy = ConnectProxy(port_of(server), busy, OK)
    with listening(proxy) as port:
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{port}")
        call = attempt(plain_url(server), errors=2)
    fault(call, PASSING, "answered HTTP 503")
    assert len(proxy.requests) == 2
    assert len(server.sessions) == 1


def test_the_environment_is_read_for_every_attempt(server, monkeypatch):
    with listening(ConnectProxy(port_of(server))) as port:
        monkeypatch.setenv("all_proxy", "http://gone.test")

        async def script(call: Call) -> None:
            await call.until(lambda: call.errors)
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
            await call.until(lambda: call.metric("connect_delay"))

        run_call(properties("ws://asr.test/v1", allow_insecure=True), script)
    assert len(server.sessions) == 1


@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("127.0.0.1:{port}", "gave no connection: Connection refused"),
        ("gone.test:{port}", "gave no connection: No such name"),
    ],
)
def test_a_proxy_that_is_not_there_may_come(
    scheme, place, part, server, monkeypatch
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"{scheme}://{place.format(port=free.getsockname()[1])}"
    monkeypatch.setenv("all_proxy", address)
    call = attempt(plain_url(server))
    fault(call, PASSING, f"the proxy {address} (all_proxy) ", part)
    assert server.sessions == []


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("gopher://u:hush-word@127.0.0.1:9", "gopher://127.0.0.1:9 (HTTPS_PR"),
        ("socks5://u@127.0.0.1:9", "socks5://127.0.0.1:9 (HTTPS_PROXY)"),
        ("http://127.0.0.1:0", "http://127.0.0.1 (HTTPS_PROXY)"),
        ("http://u:hush/word@127.0.0.1:9", "the proxy in HTTPS_PROXY"),
        ("hush-word@", "the proxy in HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_is_none_ends_the_call(
    address, shown, server, monkeypatch, caplog, host_log
):
    monkeypatch.setenv("HTTPS_PROXY", address)
    call = attempt(plain_url(server))
    fault(call, FATAL, shown, "cannot be used")
    logged = caplog.text + host_log.text
    assert "hush" not in str(call.messages) + logged
    assert server.sessions == []


# -- SOCKS ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "version", "host"),
    [
        ("socks5h", 5, "asr.test"),
        ("socks5", 5, "127.0.0.1"),
        ("socks", 5, "asr.test"),
        ("socks4a", 4, "asr.test"),
        ("socks4", 4, "127.0.0.1"),
    ],
)
def test_who_looks_up_the_name_for_a_socks_proxy(
    scheme, version, host, server, monkeypatch, resolved
):
    proxy = SocksProxy(port_of(server))
    with listening(proxy) as port:
        monkeypatch.setenv("all_proxy", f"{scheme}://127.0.0.1:{port}")
        call = attempt(plain_url(server))
    assert call.errors == []
    assert proxy.asked == [(version, host, port_of(server))]
    assert ("asr.test" in resolved) is (host != "asr.test")


def test_tls_by_a_socks_proxy_that_knows_its_users(
    server, authority, ca_file, monkeypatch
):
    with in_tls(server, authority) as front:
        proxy = SocksProxy(front, ("me too", PASSWORD))
        with listening(proxy) as port:
            monkeypatch.setenv("socks_proxy", f"{USER_PART}@127.0.0.1:{port}")
            call = attempt("https://asr.test/v1", ca_file=ca_file)
    assert call.errors == []
    assert proxy.users == [("me too", PASSWORD)]
    assert proxy.asked == [(5, "asr.test", 443)]


@pytest.mark.parametrize(
    ("manners", "scheme", "code", "part"),
    [
        ({"user": ("x", "y")}, "socks5h://u:hush-word@", FATAL, "authentic"),
        ({"user": ("x", "y")}, "socks5h://", FATAL, "authentication"),
        ({"code": 2}, "socks5h://", FATAL, "not allowed by ruleset"),
        ({"code": 4}, "socks5h://", PASSING, "Host unreachable"),
        ({"code": 5}, "socks5h://", PASSING, "refused by destination"),
        ({"code": 93}, "socks4a://", FATAL, "different user-ids"),
        ({"code": 91}, "socks4a://", PASSING, "rejected or failed"),
        ({"wild": b"HTTP/1.1 400 Bad\r\n"}, "socks5h://", PASSING, "version"),
        ({"wild": None}, "socks5h://", PASSING, "within the time limit"),
    ],
)
def test_a_socks_proxy_that_refuses_is_named_and_not_gone_around(
    manners, scheme, code, part, server, monkeypatch, caplog, host_log
):
    proxy = SocksProxy(9, **manners)
    with listening(proxy) as port:
        monkeypatch.setenv("all_proxy", f"{scheme}127.0.0.1:{port}")
        limit_ms = 200 if manners == {"wild": None} else 10_000
        call = attempt(plain_url(server), connect_timeout_ms=limit_ms)
    shown = scheme.partition("u:")[0]
    fault(call, code, f"the proxy {shown}127.0.0.1:{port} (all_proxy) ", part)
    logged = caplog.text + host_log.text
    assert "hush" not in str(call.messages) + logged
    assert server.sessions == []


_HOLLOW = """module_from_spec(
            ModuleSpec("python_socks", None, is_package=True)
        )"""


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [
        ("None", FATAL, "needs the package"),
        # As Python keeps what a file system shows in a bad moment.
        (_HOLLOW, PASSING, "__init__.py cannot be found: python_socks"),
    ],
)
def test_socks_needs_its_package(found, code, told):
    program = f"""if True:
        import json, sys
        from importlib.machinery import ModuleSpec
        from importlib.util import module_from_spec
        sys.modules["python_socks"] = {found}
        sys.path[:0] = [".", "tests/extension"]
        from devkit.bootstrap import ensure_ten
        ensure_ten()
        from asr_call import properties, run_call
        async def script(call):
            await call.until(lambda: call.errors)
            if call.codes == [1000]:
                await call.until(lambda: len(call.errors) > 1)
        call = run_call(properties("https://asr.test/v1"), script)
        print(json.dumps(call.errors))
    """
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"all_proxy": "socks5h://u:hush-word@127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=True,
    )
    error, *more = json.loads(ran.stdout.splitlines()[-1])
    assert error["code"] == code
    proxy = "the proxy socks5h://127.0.0.1:9 (all_proxy) "
    assert error["message"].startswith(proxy)
    assert told in error["message"]
    # The next attempt finds it.
    refused = f"{proxy}gave no connection: Connection refused"
    assert all(error["message"].startswith(refused) for error in more)
    assert bool(more) == (code == PASSING)
    assert "hush" not in ran.stdout + ran.stderr
