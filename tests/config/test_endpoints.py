"""Where the client connects: URLs, headers, TLS."""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from asr_call import Call as AsrCall
from asr_call import properties, run_call
from dear_certificates import dear_certificate, in_pem
from hypothesis import example, given
from hypothesis import strategies as st
from live import KEY, Listener, port_of, tls_front, try_to_connect
from ten_packages.extension.openai_asr_python.call.call import Call
from ten_packages.extension.openai_asr_python.config import ConfigError
from ten_packages.extension.openai_asr_python.connection import cas
from ten_packages.extension.openai_asr_python.connection.cas import (
    BadCaFile,
    tls_context,
)
from ten_packages.extension.openai_asr_python.contract.reports import (
    ExtensionLog,
)
from ten_packages.extension.openai_asr_python.properties.loading import (
    load_config,
)
from ten_packages.extension.openai_asr_python.safety.redaction import Redactor
from ten_packages.extension.openai_asr_python.service.endpoint import (
    ascii_host,
    endpoint,
    is_azure,
    is_loopback,
    is_loopback_host,
    redacted_url,
)
from websockets.uri import parse_uri

from devkit.server import LocalServer

ROOT = Path(__file__).parents[2]
OPENAI = "wss://api.openai.com/v1/realtime?intent=transcription"
AZURE = "https://speech.openai.azure.com"
AZURE_URL = (
    "wss://speech.openai.azure.com/openai/v1/realtime?intent=transcription"
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http", "https", "all", "no", "socks", "ws", "wss"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


def loaded(**params):
    return load_config({"params": {"api_key": KEY, **params}})


@pytest.mark.parametrize("region", ["us", "eu", "au", "in", "jp"])
def test_hosts_with_data_residency_are_openai(region):
    host = f"{region}.api.openai.com"
    url = OPENAI.replace("api.openai.com", host)
    for base in (
        f"https://{host}/v1",
        f"wss://{host.upper()}",
        f"https://{host}/v1?model=gpt-realtime",
    ):
        config, _ = loaded(base_url=base)
        assert config.url.lower() == url
        config, warnings = loaded(base_url=base, model_in_url=True)
        assert config.url.lower() == url, "no model in the URL there"
        assert any("model_in_url" in w for w in warnings)
        with pytest.raises(ConfigError, match="beta"):
            loaded(base_url=base, protocol="beta")
        _, warnings = loaded(base_url=base, headers={"OpenAI-Beta": "x"})
        assert any("beta dialect" in w for w in warnings)
    config, _ = loaded(
        base_url=f"https://x{host.replace('.', '-')}/v1", model_in_url=True
    )
    assert "model=" in config.url, "a name like it is not OpenAI"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://api.openai.com/v1", OPENAI),
        ("https://api.openai.com/v1/", OPENAI),
        ("https://api.openai.com", OPENAI),
        (" wss://api.openai.com/v1/realtime ", OPENAI),
        ("wss://api.openai.com/v1/realtime/", OPENAI),
        ("WSS://api.openai.com/v1/realtime?intent=transcription", OPENAI),
        ("wss://api.openai.com/v1/realtime?model=whisper-1", OPENAI),
        (AZURE, AZURE_URL),
        (f"{AZURE}/openai", AZURE_URL),
        (f"{AZURE}/openai/v1/", AZURE_URL),
        (f"{AZURE}/openai/v1/realtime?api-version=preview", AZURE_URL),
        (f"{AZURE}/openai/v1?model=my-deployment", AZURE_URL),
        (
            f"{AZURE}/openai/realtime?api-version=2025-04-01-preview",
            "wss://speech.openai.azure.com/openai/realtime"
            "?api-version=2025-04-01-preview&intent=transcription",
        ),
        (
            "http://localhost:8080",
            "ws://localhost:8080/v1/realtime?intent=transcription",
        ),
        (
            "ws://[::1]:8080/v1?k=1",
            "ws://[::1]:8080/v1/realtime?k=1&intent=transcription",
        ),
        (
            "wss://gw.example/v1?model=asr",
            "wss://gw.example/v1/realtime?model=asr",
        ),
    ],
)
def test_base_urls_as_people_write_them(written, url):
    config, _ = loaded(base_url=written)
    assert config.url == url


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("ws://127.0.0.1\\@evil.test/", "backslashes"),
        ("ws://evil.test\\.localhost/v1", "backslashes"),
        ("wss:\\\\evil.test", "backslashes"),
        ("wss://gw.test/v1\\evil", "backslashes"),
        ("ws://127.0.0.1\t@evil.test", "user name"),
        ("ws://127.0.0.1\n.evil.test", "control characters"),
        ("ws://127.0.0.1%00.evil.test", "is not a URL"),
        ("ws://localhost%2eevil.test", "is not a URL"),
        ("ws://localhost。evil.test", "must have a host in ASCII"),
        ("ws://[v1.evil.test]", "is not a URL"),
        ("ws://evil.test", "without TLS"),
        ("ws://127.1", "is not a URL"),
        ("ws://0x7f.1", "is not a URL"),
        ("ws://2130706433", "is not a URL"),
        ("ws://0.0.0.0", "without TLS"),
        ("ws://[::]", "without TLS"),
        ("ws://[::ffff:192.0.2.1]", "without TLS"),
    ],
)
def test_a_url_that_could_lead_elsewhere_is_refused_unseen(written, part):
    with pytest.raises(ConfigError, match=part) as caught:
        loaded(base_url=written)
    assert str(caught.value).startswith("params.base_url: ")
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("ws://LOCALHOST.", "localhost."),
        ("ws://[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
    ],
)
def test_this_machine_in_other_letters(written, host):
    config, _ = loaded(base_url=written)
    assert config.url == f"ws://{host}/v1/realtime?intent=transcription"


def host_in_a_browser(url: str) -> str:
    """The host as WHATWG's URL standard finds it, but for its letters."""
    url = re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(33)))))
    rest = re.sub(r"^[a-zA-Z]*:[/\\]*", "", url)
    authority = re.split(r"[/\\?#]", rest)[0].rpartition("@")[2]
    return re.sub(r":[0-9]*$", "", authority).strip("[]")


@given(
    st.lists(
        st.sampled_from(
            [
                *("localhost", "127.0.0.1", "[::1]", "evil.test", "a", "1"),
                *"/\\@:?#.%[]\t\n 。／＠１é",
                *("//", "80", "%00", "0x7f"),
            ]
        ),
        max_size=8,
    ).map("".join)
)
@example("localhost?@evil.test")
@example("[::1]evil.test")
def test_what_is_dialed_is_the_host_that_was_looked_at(rest):
    written = f"ws://{rest}"
    try:
        url = endpoint(written, {}).url
    except ValueError:
        return
    dialed = parse_uri(url).host
    assert dialed.isascii()
    assert urlsplit(url).hostname == dialed
    assert is_loopback(url) is is_loopback_host(dialed)
    assert ascii_host(host_in_a_browser(written)) == dialed


def test_what_is_left_out_of_a_url_is_said():
    _, warnings = loaded(base_url=f"{AZURE}/openai/v1?api-version=x&model=y")
    assert any("api-version" in text for text in warnings)
    assert any("model is left out" in text for text in warnings)


@pytest.mark.parametrize(
    "host",
    [
        "x.openai.azure.com",
        "x.cognitiveservices.azure.com",
        "x.services.ai.azure.com",
    ],
)
def test_azure_gets_its_own_key_header(host):
    assert is_azure(f"wss://{host}/openai/v1/realtime")
    config, _ = loaded(base_url=f"https://{host}")
    assert config.headers_sent == {"api-key": KEY}
    entra, _ = loaded(base_url=f"https://{host}", auth="bearer")
    assert entra.headers_sent == {"Authorization": f"Bearer {KEY}"}


def test_a_name_that_only_looks_like_azure_gets_no_key_header():
    config, _ = loaded(base_url="https://openai.azure.com.example.org/v1")
    assert config.headers_sent == {"Authorization": f"Bearer {KEY}"}


def test_model_in_the_url_never_at_openai():
    config, warnings = loaded(model_in_url="true")
    assert config.url == OPENAI
    assert any("model_in_url" in text for text in warnings)
    gateway, _ = loaded(
        model_in_url=True, base_url="https://gw.example/v1", model="whisper-1"
    )
    assert gateway.url.endswith("?intent=transcription&model=whisper-1")


@pytest.mark.parametrize("place", ["top", "params"])
async def test_extra_headers_and_query_reach_the_server(place):
    extra = {
        "headers": {"X-Tenant": "acme", "X-Count": 3, "X-Blank": " "},
        "query": {"route": "a b", "debug": True},
    }
    async with LocalServer() as server:
        top = extra if place == "top" else {}
        params = {} if place == "top" else extra
        config, _ = load_config(
            {**top, "params": {"api_key": KEY, "url": server.url, **params}}
        )
        assert "X-Blank" not in config.headers_sent
        listener = await try_to_connect(base_url=server.url, **extra)
        assert listener.ready
        assert config.headers_sent["X-Tenant"] == "acme"
        record = server.sessions[0]
        assert record.headers["x-tenant"] == "acme"
        assert record.headers["x-count"] == "3"
        assert record.query["route"] == "a b"
        assert record.query["debug"] == "true"


async def test_a_header_of_ones_own_takes_the_place_of_ours():
    async with LocalServer(keys=["other-key"]) as server:
        listener = await try_to_connect(
            base_url=server.url,
            headers={"authorization": "Bearer other-key"},
        )
        assert listener.ready
        assert server.sessions[0].key_ok


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({"Host": "x"}, "headers.Host"),
        ({"Sec-WebSocket-Key": "x"}, "headers.Sec-WebSocket-Key"),
        ({"Proxy-Connection": "close"}, "headers.Proxy-Connection"),
        ({"HTTP2-Settings": "x"}, "headers.HTTP2-Settings"),
        ({"X A": "x"}, "header names"),
        ({"X-A": "secret\r\nX-B: 1"}, "headers.X-A"),
        ({"X-A": ["secret"]}, "headers.X-A"),
        ("secret", "headers"),
    ],
)
def test_impossible_headers_are_refused_without_their_values(headers, part):
    with pytest.raises(ConfigError) as caught:
        loaded(headers=headers)
    assert part in str(caught.value)
    assert "secret\\r" not in str(caught.value)
    assert '"secret"' not in str(caught.value)


def test_no_secret_of_the_endpoint_is_described():
    config, _ = loaded(
        base_url="https://gw.example/v1?token=hush-1",
        headers={"X-Key": "hush-2"},
        query={"sig": "hush-3"},
    )
    for shown in (str(config.shown()), repr(config), redacted_url(config.url)):
        assert "hush" not in shown
        assert KEY not in shown
    assert config.shown()["headers"] == {"X-Key": "**********"}


def test_beta_is_refused_for_openai_and_asks_others_by_header():
    with pytest.raises(ConfigError, match=r"protocol: found \"beta\""):
        loaded(protocol="beta")
    config, _ = loaded(protocol="beta", base_url="https://gw.example/v1")
    assert config.headers_sent["OpenAI-Beta"] == "realtime=v1"


@pytest.mark.parametrize("protocol", ["auto", "beta"])
async def test_the_beta_dialect_is_spoken_where_it_is_spoken(protocol):
    dialect = "beta" if protocol == "auto" else "both"
    async with LocalServer(dialect=dialect) as server:
        listener = await try_to_connect(
            base_url=server.url,
            protocol=protocol,
            model="whisper-1",
            languages=["de", "en"],
            keywords=["TEN"],
            input_audio_noise_reduction={"type": "far_field", "strength": 1},
        )
        assert listener.ready, listener.fault
        settings = server.sessions[0].config["audio"]["input"]
    assert settings["transcription"]["language"] == "de"
    assert settings["transcription"]["prompt"] == "TEN"
    assert settings["noise_reduction"] == {"type": "far_field"}


async def test_azure_over_a_real_socket():
    async with LocalServer(azure=True, keys=[KEY]) as server:
        ready = await try_to_connect(
            base_url=server.url, auth="api-key", model="my-deployment"
        )
        assert ready.ready, ready.fault
        assert "api-key" in server.sessions[0].headers
        assert "authorization" not in server.sessions[0].headers


async def test_an_expired_ephemeral_key_says_to_mint_a_new_one():
    async with LocalServer(keys=["ek_fresh"]) as server:
        fresh = await try_to_connect(base_url=server.url, api_key="ek_fresh")
        stale = await try_to_connect(base_url=server.url, api_key="ek_stale1")
        other = await try_to_connect(base_url=server.url, api_key="sk-stale")
    assert fresh.ready
    assert stale.fault is not None
    assert stale.fault.fatal
    assert "mint a new one" in stale.fault.message
    assert "ek_stale1" not in stale.fault.message
    assert "mint" not in other.fault.message


# -- TLS --------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_ca_file_of_ones_own(authority, tmp_path):
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    async with (
        LocalServer() as server,
        tls_front(port_of(server.url), authority, "127.0.0.1") as port,
    ):
        url = f"https://127.0.0.1:{port}/v1"
        trusted = await try_to_connect(base_url=url, ca_file=str(pem))
        assert trusted.ready, trusted.fault
        unknown = await try_to_connect(base_url=url)
        assert not unknown.ready
        assert "certificate" in unknown.fault.message
        assert "ca_file" in unknown.fault.message
        assert len(server.sessions) == 1


@pytest.mark.parametrize("place", ["keys.log", "missing/keys.log"])
async def test_the_keys_of_tls_are_written_nowhere(
    authority, tmp_path, monkeypatch, place
):
    keys = tmp_path / place
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    async with (
        LocalServer() as server,
        tls_front(port_of(server.url), authority, "127.0.0.1") as port,
    ):
        url = f"https://127.0.0.1:{port}/v1"
        listener = await try_to_connect(base_url=url, ca_file=str(pem))
    assert listener.ready
    assert (await tls_context("")).keylog_filename is None
    assert not keys.exists()


@pytest.mark.parametrize(
    ("ciphers", "ready"), [("ECDHE+AESGCM", True), ("DHE+AESGCM", False)]
)
async def test_no_server_names_the_group_of_a_key_exchange(
    authority, tmp_path, ciphers, ready
):
    """One that is large enough would hold the loop for seconds."""
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    async with (
        LocalServer() as server,
        tls_front(
            port_of(server.url), authority, "127.0.0.1", ciphers=ciphers
        ) as port,
    ):
        url = f"https://127.0.0.1:{port}/v1"
        listener = await try_to_connect(base_url=url, ca_file=str(pem))
    assert listener.ready is ready


async def test_a_certificate_for_another_name_is_refused(authority, tmp_path):
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    async with (
        LocalServer() as server,
        tls_front(port_of(server.url), authority, "other.test") as port,
    ):
        listener = await try_to_connect(
            base_url=f"https://127.0.0.1:{port}/v1", ca_file=str(pem)
        )
        assert not listener.ready
        assert server.sessions == []


def _none(path: Path) -> None:
    """There is nothing."""


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def _pages(path: Path) -> None:
    path.symlink_to("/proc/self/pagemap")
    if not os.access(path, os.R_OK):
        pytest.skip("no such file here")


def _notes(path: Path) -> None:
    path.write_text("no certificate")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (_none, "cannot be read: No such file"),
        (Path.mkdir, "cannot be read: is a directory, not a file"),
        (os.mkfifo, "cannot be read: is a named pipe, not a file"),
        (_notes, "holds no certificate in PEM form"),
        (Path.touch, "holds no certificate in PEM form"),
        (_huge, "cannot be read: is larger than 2 MB"),
        # Says that it is empty, and has gigabytes.
        (_pages, "cannot be read: is larger than 2 MB"),
    ],
)
async def test_a_wrong_ca_file_is_named_before_connecting(tmp_path, make, part):
    path = tmp_path / "ca.pem"
    make(path)
    with pytest.raises(BadCaFile) as caught:
        await try_to_connect(base_url="wss://asr.test/v1", ca_file=str(path))
    assert str(caught.value).startswith(f'ca_file: "{path}" {part}')


async def test_a_ca_file_is_not_read_in_the_loop(
    authority, tmp_path, monkeypatch
):
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    threads: list[int] = []
    create = cas._tls_context

    def spy(ca_file: str) -> ssl.SSLContext:
        threads.append(threading.get_ident())
        return create(ca_file)

    monkeypatch.setattr(cas, "_tls_context", spy)
    await try_to_connect(base_url="wss://127.0.0.1:9/v1", ca_file=str(pem))
    # Looked at first, and used then.
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_the_system_s_directory_is_read_before_the_handshake(
    authority, tmp_path, monkeypatch
):
    """What cannot be read in it, a pipe say, would hold the loop."""
    hashed = tmp_path / "by_hash"
    hashed.mkdir()
    authority.cert_pem.write_to_path(hashed / "0123abcd.0")
    os.mkfifo(hashed / "0123abcd.1")
    (hashed / "0123abcd.2").write_text("no certificate")
    (hashed / "0123abcd.3").symlink_to("nowhere")
    os.mkfifo(hashed / "notes.txt")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'none'}:{hashed}")
    context = await tls_context("")
    assert len(context.get_ca_certs()) == 1
    async with (
        LocalServer() as server,
        tls_front(port_of(server.url), authority, "127.0.0.1") as port,
    ):
        url = f"wss://127.0.0.1:{port}/v1"
        assert (await try_to_connect(base_url=url)).ready
    # Neither the system's own nor those of the working directory.
    monkeypatch.setenv("SSL_CERT_DIR", "")
    monkeypatch.chdir(hashed)
    assert (await tls_context("")).get_ca_certs() == []


async def test_the_system_s_cas_are_read_up_to_a_bound_in_all(
    authority, tmp_path, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    for name in ("a", "b"):
        inside = tmp_path / name
        inside.mkdir()
        (inside / "0123abcd.0").write_bytes(bytes(900_000))
        authority.cert_pem.write_to_path(inside / "0123abcd.1")
    assert len((await tls_context("")).get_ca_certs()) == 1
    (inside / "0123abcd.2").write_bytes(bytes(900_000))
    with pytest.raises(BadCaFile) as caught:
        await tls_context("")
    assert str(caught.value) == (
        "what SSL_CERT_FILE or SSL_CERT_DIR names, or the system's CAs, are"
        " larger than 2 MB in all"
    )


async def test_what_else_may_be_in_a_ca_file(authority, tmp_path):
    pem = authority.cert_pem.bytes().decode()
    path = tmp_path / "ca.pem"
    other = trustme.CA().cert_pem.bytes().decode()
    trusted = other.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    path.write_text(f"Főtanúsítvány\n{pem}{trusted}{pem}# end\n", "utf-8")
    assert len((await tls_context(str(path))).get_ca_certs()) == 1
    # Half of a certificate is none: a file that is not written to the end.
    path.write_text(pem + other[:300])
    with pytest.raises(BadCaFile, match="holds no certificate in PEM form"):
        await tls_context(str(path))


async def test_a_certificate_that_holds_its_reader_is_not_read(
    authority, tmp_path, monkeypatch
):
    good, dear = authority.cert_pem.bytes().decode(), in_pem(dear_certificate())
    path = tmp_path / "ca.pem"
    # Reading them all would take longer than the whole test may.
    path.write_text(good + dear * 2000)
    with pytest.raises(BadCaFile, match="has a curve of its own"):
        await tls_context(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", "")
    assert len((await tls_context("")).get_ca_certs()) == 1


async def test_no_server_begins_a_handshake_anew():
    assert (await tls_context("")).options & ssl.OP_NO_RENEGOTIATION


async def test_a_variable_that_names_no_file_is_named(tmp_path, monkeypatch):
    pipe = tmp_path / "pipe.pem"
    os.mkfifo(pipe)
    monkeypatch.setenv("SSL_CERT_FILE", str(pipe))
    with pytest.raises(BadCaFile) as caught:
        await tls_context("")
    assert str(caught.value) == (
        f'SSL_CERT_FILE: "{pipe}" cannot be read: is a named pipe, not a file'
    )
    hung = threading.Event()
    monkeypatch.setattr(cas, "_tls_context", lambda _: hung.wait(20))
    monkeypatch.setattr(cas, "_READ_S", 0.01)
    with pytest.raises(BadCaFile, match=r"^what SSL_CERT_FILE or SSL_CERT_DIR"):
        await tls_context("")
    hung.set()


async def test_a_ca_file_may_be_a_link(authority, tmp_path):
    # Secrets are mounted that way.
    authority.cert_pem.write_to_path(tmp_path / "..data")
    (tmp_path / "ca.pem").symlink_to("..data")
    assert await tls_context(str(tmp_path / "ca.pem"))


async def test_a_ca_file_need_not_be_there_when_it_is_needed(
    authority, tmp_path, monkeypatch
):
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    start = Call.start

    async def later(call: Call) -> None:
        pem.unlink()
        await start(call)

    monkeypatch.setattr(Call, "start", later)
    async with (
        LocalServer() as server,
        tls_front(port_of(server.url), authority, "127.0.0.1") as port,
    ):
        listener = await try_to_connect(
            base_url=f"wss://127.0.0.1:{port}/v1", ca_file=str(pem)
        )
    assert listener.ready, listener.fault


@pytest.mark.parametrize("ca_file", ["", "/far/away.pem"])
async def test_cas_that_come_late_are_waited_for_again(
    authority, monkeypatch, ca_file
):
    read, reads = cas._tls_context, threading.Semaphore(0)
    goes_on = threading.Event()

    def slow(ca_file: str) -> ssl.SSLContext:
        reads.release()
        goes_on.wait(20)
        return read("")

    monkeypatch.setattr(cas, "_tls_context", slow)
    monkeypatch.setattr(cas, "_READ_S", 0.01)
    listener = await try_to_connect(
        base_url="wss://127.0.0.1:9/v1", ca_file=ca_file
    )
    goes_on.set()
    assert reads.acquire(timeout=20)
    for thread in threading.enumerate():
        if thread.name == "openai_asr ca_file":
            # Another test counts them.
            await asyncio.to_thread(thread.join, 20)
    assert listener.fault is not None
    assert not listener.fault.fatal
    assert "cannot be read within" in listener.fault.message


async def test_a_ca_file_that_never_ends_is_given_up(monkeypatch):
    # A hung network drive, say.
    goes_on = threading.Event()
    monkeypatch.setattr(cas, "_tls_context", lambda _: goes_on.wait(20))
    monkeypatch.setattr(cas, "_READ_S", 0.01)
    with pytest.raises(cas.BadCaFile, match="cannot be read within"):
        await cas.tls_context("/far/away.pem")
    goes_on.set()


@pytest.fixture
def hung_files(monkeypatch):
    """Files in /far cannot be read to the end until the test is over."""
    goes_on = threading.Event()
    read = cas._tls_context

    def hangs(ca_file: str) -> ssl.SSLContext:
        if ca_file.startswith("/far/"):
            goes_on.wait(60)
            return read("")
        return read(ca_file)

    monkeypatch.setattr(cas, "_tls_context", hangs)
    monkeypatch.setattr(cas, "_READ_S", 0.05)
    yield
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "openai_asr ca_file":
            # Another test counts them.
            thread.join(20)


async def update(call: AsrCall, **change) -> str:
    """What an ``update_configs`` is told."""
    answer, _ = await call.command("update_configs", json.dumps(change))
    return answer.get_property_string("message")[0]


@pytest.mark.parametrize("begun_as", ["connected", "inert", "waiting"])
def test_an_update_that_names_a_slow_ca_file_is_refused(
    hung_files, server, begun_as
):
    async def script(call: AsrCall) -> None:
        if begun_as == "inert":
            await call.until(lambda: call.errors)
        elif begun_as == "connected":
            await call.until(lambda: call.metric("connect_delay"))
        told = await update(call, sample_rate=16000, ca_file="/far/a.pem")
        assert told.startswith('ca_file: "/far/a.pem" cannot be read within')
        other = {"base_url": "wss://127.0.0.1:9", "ca_file": "/far/b.pem"}
        told = await update(call, sample_rate=16000, fallbacks=[other])
        assert told.startswith('fallbacks[0].ca_file: "/far/b.pem" cannot')
        assert await update(call, sample_rate=16000, prompt="a") == "applied"

    wrong = {"sample_rate": "fast"} if begun_as == "inert" else {}
    top = {"auto_connect": begun_as == "connected"}
    run_call(properties(server.url, **wrong, top=top), script)


def test_an_update_of_something_else_waits_for_no_slow_ca_file(
    hung_files, server
):
    """That was in the property, and is read when the call connects."""

    async def script(call: AsrCall) -> None:
        assert await update(call, prompt="a") == "applied"

    top = {"auto_connect": False}
    run_call(properties(server.url, ca_file="/far/a.pem", top=top), script)


async def test_ca_files_are_read_at_once(monkeypatch):
    """Each one waits until all are being read."""
    read, all_of_them = cas._tls_context, threading.Barrier(4)

    def waits(_: str) -> ssl.SSLContext:
        all_of_them.wait(20)
        return read("")

    monkeypatch.setattr(cas, "_tls_context", waits)
    others = [
        {"base_url": "wss://127.0.0.1:9", "ca_file": f"/near/{n}.pem"}
        for n in (1, 2, 3, 1)
    ]
    config, _ = loaded(ca_file="/near/0.pem", fallbacks=others)
    log = ExtensionLog(Redactor()).error
    await Call.create(config, Listener(), log, None, may_be_slow=())


async def test_ca_files_that_never_end_take_a_bounded_number_of_threads(
    hung_files, monkeypatch
):

    def reading() -> int:
        names = [thread.name for thread in threading.enumerate()]
        return names.count("openai_asr ca_file")

    async def refusal(name: str) -> str:
        with pytest.raises(cas.BadCaFile) as caught:
            await tls_context(f"/far/{name}")
        return str(caught.value)

    # The same file is read once.
    assert {await refusal("a.pem") for _ in range(20)} == {
        'ca_file: "/far/a.pem" cannot be read within 0 s'
    }
    assert reading() == 1
    told = [await refusal(f"{number}.pem") for number in range(20)]
    assert reading() == 8
    assert "too many others" in told[-1]
    # Other calls have the system's CAs all the same.
    monkeypatch.setattr(cas, "_READ_S", 5)
    assert await tls_context("")
    # Names are looked up by the threads of the loop.
    loop = asyncio.get_running_loop()
    assert await asyncio.wait_for(loop.getaddrinfo("127.0.0.1", 1), 5)


async def test_those_who_want_the_same_file_wait_for_one_read(
    authority, tmp_path, monkeypatch
):
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(pem)
    reads: list[str] = []
    read = cas._tls_context

    def slow(ca_file: str) -> ssl.SSLContext:
        reads.append(ca_file)
        time.sleep(0.2)
        return read(ca_file)

    monkeypatch.setattr(cas, "_tls_context", slow)
    gone, *found = [
        asyncio.ensure_future(tls_context(str(pem))) for _ in range(4)
    ]
    await asyncio.sleep(0.05)
    # Who gives up takes it from nobody.
    gone.cancel()
    assert all(await asyncio.gather(*found))
    assert reads == [str(pem)]
    # The next one looks again, for the file may be another.
    await tls_context(str(pem))
    assert len(reads) == 2


def test_a_ca_file_that_never_ends_does_not_keep_the_process():
    program = """if True:
        import asyncio, time
        from devkit.bootstrap import ensure_ten
        ensure_ten()
        from ten_packages.extension.openai_asr_python.connection import cas
        cas._tls_context = lambda _: time.sleep(3600)
        cas._READ_S = 0.1
        try:
            asyncio.run(cas.tls_context("/far/away.pem"))
        except cas.BadCaFile:
            print("refused")
    """
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "refused\n"
