"""Base URLs as people write them, without loading a configuration."""

from __future__ import annotations

import pytest
from ten_packages.extension.openai_asr_python.service.endpoint import (
    endpoint,
    is_azure,
    is_loopback,
    is_openai,
    is_plain,
    redacted_url,
)

OPENAI = "wss://api.openai.com/v1/realtime?intent=transcription"
AZURE = "wss://x.openai.azure.com"
AZURE_URL = f"{AZURE}/openai/v1/realtime?intent=transcription"
VERSION = "api-version is left out: the v1 API does not take it"
MODEL = (
    "model is left out of the URL: a transcription session names it in its"
    " settings"
)


@pytest.mark.parametrize(
    ("written", "url", "advice"),
    [
        ("https://api.openai.com", OPENAI, ()),
        (" WSS://api.openai.com/v1/ ", OPENAI, ()),
        ("wss://api.openai.com/v1/realtime/", OPENAI, ()),
        ("wss://api.openai.com/v1?model=a", OPENAI, (MODEL,)),
        (
            "wss://eu.api.openai.com./v1?model=a",
            "wss://eu.api.openai.com./v1/realtime?intent=transcription",
            (MODEL,),
        ),
        (
            "wss://notapi.openai.com.example/v1?model=a",
            "wss://notapi.openai.com.example/v1/realtime?model=a",
            (),
        ),
        (
            "wss://api.openai.com/v1?intent=realtime&model=a",
            "wss://api.openai.com/v1/realtime?intent=realtime&model=a",
            (),
        ),
        (AZURE, AZURE_URL, ()),
        (f"{AZURE}/openai/", AZURE_URL, ()),
        (f"{AZURE}/openai/v1?api-version=x", AZURE_URL, (VERSION,)),
        (
            f"{AZURE}/openai/v1?model=a&api-version=x",
            AZURE_URL,
            (VERSION, MODEL),
        ),
        (
            f"{AZURE}/openai/realtime?api-version=x",
            f"{AZURE}/openai/realtime?api-version=x&intent=transcription",
            (),
        ),
        (
            "http://localhost:80/openai",
            "ws://localhost:80/openai/realtime?intent=transcription",
            (),
        ),
        (
            "ws://gw/v1?api-version=x&k=",
            "ws://gw/v1/realtime?api-version=x&k=&intent=transcription",
            (),
        ),
        ("wss://gw/v1?model=a", "wss://gw/v1/realtime?model=a", ()),
    ],
)
def test_what_a_base_url_means(written, url, advice):
    found = endpoint(written, {})
    assert (found.url, found.advice) == (url, advice)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("wss://GW.Example:443", "gw.example:443"),
        ("wss://gw:/v1", "gw"),
        ("wss://XN--bcher-kva.example", "xn--bcher-kva.example"),
        ("wss://[2001:DB8::1]:8", "[2001:db8::1]:8"),
        ("wss://my_gw-1.7up", "my_gw-1.7up"),
    ],
)
def test_the_host_is_written_as_it_is_looked_up(written, place):
    url = endpoint(written, {}).url
    assert url.startswith(f"wss://{place}/v1/realtime?")


def test_a_query_of_ones_own_wins():
    found = endpoint("wss://gw/v1?a=1&b=2", {"b": "3", "intent": "x"})
    assert found.url == "wss://gw/v1/realtime?a=1&b=3&intent=x"
    assert "b=4" in endpoint("wss://gw/v1?b=2", {"b": "4"}).url


def test_a_model_in_the_url_never_at_openai():
    found = endpoint("wss://gw/v1?model=a", {}, "b")
    assert found.url == "wss://gw/v1/realtime?model=b&intent=transcription"
    for base in ("wss://api.openai.com/v1", AZURE):
        assert "model" not in endpoint(base, {}, "b").url


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("ftp://gw/v1", "must begin with wss://"),
        ("gw/v1", "must begin with wss://"),
        ("wss://", "must begin with wss://"),
        ("wss://gw:port/v1", "is not a URL"),
        ("wss://me@gw/v1", "user name or password"),
        ("wss://:word@gw/v1", "user name or password"),
        ("wss://gw/v 1", "blanks or control characters"),
        ("wss://gw/v\u200b1", "blanks or control characters"),
        ("wss://gw\\v1", "backslashes"),
        ("wss://gw/v1#\\", "backslashes"),
        ("wss://gw/v1?a=\\", "backslashes"),
        ("wss:\\\\gw", "backslashes"),
        ("wss://gw%2f/v1", "is not a URL"),
        ("wss://g;w/v1", "is not a URL"),
        ("wss://10.1/v1", "is not a URL"),
        ("wss://10.0.0.1./v1", "is not a URL"),
        ("wss://gw.0x1/v1", "is not a URL"),
        ("wss://gw..example/v1", "is not a URL"),
        ("wss://[::1]gw/v1", "is not a URL"),
        ("wss://[v1.gw.example]", "is not a URL"),
        ("wss://[10.0.0.1]", "is not a URL"),
        ("wss://[fe80::1/v1", "is not a URL"),
        ("wss://[::1%25localhost]/v1", "is not a URL"),
        ("wss://[::1%2510.0.0.1]/v1", "is not a URL"),
        *(
            (f"wss://{host}/v1", "must have a host in ASCII; .* xn--")
            for host in (
                "bücher.example",
                "straße.example",
                "σς.example",
                "\u1e9e.example",
                "\u212aey.example",
                "a\u2215b.example",
                "a\ufe00b.example",
                "a\u034fb.example",
                "\uab70.example",
                "１２７.0.0.1:80",
                "ⓛocalhost",
            )
        ),
        ("ws://127．0．0．1", "a host in ASCII"),
        ("ws://a。localhost", "a host in ASCII"),
        ("wss://gw[::1]/v1", "is not a URL"),
    ],
)
def test_what_is_no_base_url(written, part):
    with pytest.raises(ValueError, match=part):
        endpoint(written, {})


@pytest.mark.parametrize(
    ("url", "openai", "azure", "loopback", "plain"),
    [
        ("wss://api.openai.com/v1", True, False, False, False),
        ("wss://eu.api.openai.com/v1", True, False, False, False),
        ("wss://myapi.openai.com/v1", False, False, False, False),
        ("wss://x.openai.azure.com/v1", False, True, False, False),
        ("wss://x.services.ai.azure.com", False, True, False, False),
        ("wss://azure.com", False, False, False, False),
        ("ws://localhost:80", False, False, True, True),
        ("wss://a.localhost", False, False, True, False),
        ("ws://127.1.2.3", False, False, True, True),
        ("ws://[::1]:80", False, False, True, True),
        ("ws://[::ffff:127.0.0.1]", False, False, True, True),
        ("ws://[::ffff:10.0.0.1]", False, False, False, True),
        ("ws://LOCALHOST.", False, False, True, True),
        ("ws://0.0.0.0", False, False, False, True),
        ("ws://[::]", False, False, False, True),
        ("ws://localhost.example", False, False, False, True),
        ("ws://xlocalhost", False, False, False, True),
        ("ws://192.168.1.1", False, False, False, True),
        ("nothing", False, False, False, False),
    ],
)
def test_where_a_url_leads(url, openai, azure, loopback, plain):
    assert is_openai(url) is openai
    assert is_azure(url) is azure
    assert is_loopback(url) is loopback
    assert is_plain(url) is plain


def test_secrets_of_a_query_are_not_shown():
    url = "wss://gw/v1?intent=a&model=b&api-version=c&sig=hush&e="
    shown = "wss://gw/v1?intent=a&model=b&api-version=c&sig=***&e=***"
    assert redacted_url(url) == shown
