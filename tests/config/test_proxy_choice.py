"""Which proxy an environment asks for; no sockets."""

from __future__ import annotations

import traceback
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.connection import proxies
from ten_packages.extension.openai_asr_python.connection.proxies import (
    BadProxy,
    choose_proxy,
)
from websockets.proxy import parse_proxy

TLS, PLAIN = "wss://asr.test/v1", "ws://asr.test:8080/v1"


def chosen(url: str, **environment: str) -> tuple[str, str] | None:
    """Address and variable of the proxy."""
    proxy = choose_proxy(url, environment)
    return None if proxy is None else (proxy.address, proxy.variable)


def refused(**environment: str) -> str:
    """What is said, and what it was made of."""
    with pytest.raises(BadProxy) as caught:
        choose_proxy(TLS, environment)
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "variables"),
    [
        (TLS, ["wss", "socks", "https", "all"]),
        (PLAIN, ["ws", "socks", "https", "http", "all"]),
    ],
)
def test_the_first_variable_that_is_set_counts(url, variables):
    every = ("ws", "wss", "socks", "https", "http", "all")
    unset = dict.fromkeys((f"{name}_proxy" for name in every), " ")
    for spell in (str, str.upper):
        environment = {
            spell(f"{name}_proxy"): f"http://{name}-host:1" for name in every
        }
        for name in variables:
            variable = spell(f"{name}_proxy")
            assert chosen(url, **environment) == (
                f"http://{name}-host:1",
                variable,
            )
            del environment[variable]
        assert chosen(url, **environment) is None
        assert chosen(url, **unset, ALL_PROXY="h") is None


def test_lower_case_wins_also_where_it_is_empty():
    assert chosen(TLS, https_proxy="a", HTTPS_PROXY="b") == (
        "http://a:80",
        "https_proxy",
    )
    assert chosen(TLS, https_proxy="", HTTPS_PROXY="b", ALL_PROXY="c") == (
        "http://c:80",
        "ALL_PROXY",
    )


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("proxy.corp:3128", "http://proxy.corp:3128"),
        (" HTTP://Proxy.Corp/\n", "http://proxy.corp:80"),
        ("https://proxy.corp", "https://proxy.corp:443"),
        ("socks5h://proxy.corp", "socks5h://proxy.corp:1080"),
        ("socks://proxy.corp", "socks5h://proxy.corp:1080"),
        ("socks4a://user@proxy.corp:9", "socks4a://proxy.corp:9"),
        ("http://user@proxy.corp:9", "http://proxy.corp:9"),
        ("user:word@proxy.corp:9", "http://proxy.corp:9"),
        ("http://@proxy.corp:9", "http://proxy.corp:9"),
        ("[::1]:3128", "http://[::1]:3128"),
        ("http://u:p@[2001:DB8::1]", "http://[2001:db8::1]:80"),
        ("XN--bcher-kva.test:1", "http://xn--bcher-kva.test:1"),
    ],
)
def test_proxies_as_people_write_them(written, address):
    assert chosen(PLAIN, https_proxy=written) == (address, "https_proxy")


def test_a_socks_proxy_needs_no_scheme_in_its_own_variable():
    assert chosen(TLS, SOCKS_PROXY="h:9") == ("socks5h://h:9", "SOCKS_PROXY")
    assert chosen(TLS, socks_proxy="socks4://h:9") == (
        "socks4://h:9",
        "socks_proxy",
    )


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("ftp://u:hush@h:9", "ftp://h:9 (https_proxy) cannot be used: its sch"),
        ("http://u:hush@h:0", "http://h (https_proxy) cannot be used: there"),
        ("http://u:hush@h:65536", "http://h:65536 (https_proxy) cannot be"),
        ("http://hush%3A:u@h:9", "http://h:9 (https_proxy) cannot be used"),
        ("bücher.test:1", "international host written with xn--"),
        ("http://h\u212a:9", "international host written with xn--"),
        ("socks4://hush%00@h", "socks4://h:1080 (https_proxy) cannot be used"),
        ("socks4://hush%00@h", "has control characters"),
        ("http://a:hush%0d%0a@h:1", "has control characters"),
        ("socks5://hush@h", "socks5://h:1080 (https_proxy) cannot be used"),
        ("socks5://:hush@h", "must have 1 to 255 ASCII characters"),
        ("socks5h://hüsh:x@h", "must have 1 to 255 ASCII characters"),
        (f"socks4://hush{'x' * 255}@h", "must have 0 to 255 ASCII"),
        ("http://h:9/hush", "the proxy in https_proxy cannot be used"),
        ("http://u:hu/sh@h:9", "the proxy in https_proxy cannot be used"),
        ("http://u:hush#1@h:9", "the proxy in https_proxy cannot be used"),
        ("http://u:hush\\@h:9", "the proxy in https_proxy cannot be used"),
        ("http://u:hush%ff@h:9", "the proxy in https_proxy cannot be used"),
        ("hush:://h:9", "the proxy in https_proxy cannot be used"),
        ("http://::1:hush", "the proxy in https_proxy cannot be used"),
        ("http://hush%00.h:9", "the proxy in https_proxy cannot be used"),
        ("http://hu sh:9", "the proxy in https_proxy cannot be used"),
        ("http://[::hush]:9", "the proxy in https_proxy cannot be used"),
    ],
)
def test_what_is_no_proxy_is_named_without_its_secrets(written, part):
    text = refused(https_proxy=written, all_proxy="http://other:1")
    assert part in text
    assert "hush" not in text


def test_a_proxy_with_tls_takes_a_python_that_can_do_it(monkeypatch):
    monkeypatch.setattr(proxies, "_TLS_IN_TLS", False)
    text = refused(https_proxy="https://u:hush@h:9")
    assert "the proxy https://h:9 (https_proxy) cannot be used" in text
    assert chosen(PLAIN, https_proxy="https://h:9") is not None


#: Before it did, a password with a slash could not be passed on.
WEBSOCKETS_DECODES = parse_proxy("http://%41:%41@h").username == "A"
_WORDS = st.text(min_size=1, max_size=12)


@given(user=_WORDS, password=st.text(max_size=12))
@example(user="us er", password="p@ss:w/rd%#?[]")
def test_users_and_passwords_reach_the_proxy_and_nobody_else(user, password):
    assume(":" not in user)
    try:
        spelled = f"{quote(user, '')}:{quote(password, '')}"
    except UnicodeEncodeError:
        # A half surrogate has no UTF-8.
        return
    try:
        proxy = choose_proxy(TLS, {"all_proxy": f"http://{spelled}@h.test:9"})
    except BadProxy:
        control = any(unicodedata.category(c) == "Cc" for c in user + password)
        assert control or not WEBSOCKETS_DECODES
        return
    seen = parse_proxy(proxy.url)
    assert (seen.host, seen.port) == ("h.test", 9)
    assert (seen.username, seen.password) == (user, password)
    assert repr(proxy) == (
        "Proxy(address='http://h.test:9', variable='all_proxy')"
    )
    assert str(proxy) == "the proxy http://h.test:9 (all_proxy)"


@given(
    st.lists(
        st.sampled_from(
            [
                *("http", "socks5", "://", "h.test", "9", "hush"),
                *"@:/?#%[]\\ .é\udcff",
            ]
        )
    ).map("".join),
    st.sampled_from(["http://", "socks5h://", ""]),
)
def test_no_password_is_shown_however_it_is_written(garbage, scheme):
    # What stands after a colon and before the last @ is the password's.
    written = f"{scheme}u:hush{garbage}@h.test:9"
    try:
        shown = repr(choose_proxy(TLS, {"all_proxy": written}))
    except BadProxy as problem:
        shown = "".join(traceback.format_exception(problem))
    assert "hush" not in shown
    assert "all_proxy" in shown


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        (TLS, "*"),
        (TLS, "other, *"),
        (TLS, "asr.test"),
        (TLS, "ASR.Test."),
        (TLS, "test"),
        (TLS, ".test"),
        (TLS, "*.test"),
        (TLS, " other.test ,asr.test:443"),
        (TLS, "other.test asr.test"),
        (TLS, ".test:443"),
        (PLAIN, "asr.test:8080"),
        ("wss://asr.test./v1", "asr.test"),
        ("wss://10.1.2.3", "10.1.2.3"),
        ("wss://10.1.2.3:8", "10.1.2.3:8"),
        ("wss://10.1.2.3", "10.0.0.0/8"),
        ("wss://[2001:db8::1]", "2001:db8::1"),
        ("wss://[2001:db8::1]", "[2001:DB8:0::1]"),
        ("wss://[2001:db8::1]:8", "[2001:db8::1]:8"),
        ("wss://[2001:db8::1]", "2001:db8::/32"),
    ],
)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_what_no_proxy_lists(url, listed, variable):
    assert chosen(url, all_proxy="h") is not None
    assert chosen(url, all_proxy="h", **{variable: listed}) is None


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        (TLS, ""),
        (TLS, " , ,. *."),
        (TLS, "sr.test"),
        (TLS, "x.asr.test"),
        (TLS, "asr.test.example"),
        (TLS, "asr.test:80"),
        (TLS, "443"),
        (TLS, "**"),
        (PLAIN, "asr.test:80"),
        ("wss://10.1.2.3", "2.3"),
        ("wss://10.1.2.3", ".3"),
        ("wss://10.1.2.3", "10.1.2.3:80"),
        ("wss://10.1.2.3", "11.0.0.0/8"),
        ("wss://10.1.2.3", "::/0"),
        ("wss://[2001:db8::1]", "[2001:db8::2]"),
    ],
)
def test_what_no_proxy_does_not_list(url, listed):
    assert chosen(url, all_proxy="h", no_proxy=listed) is not None
