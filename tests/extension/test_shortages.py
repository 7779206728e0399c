"""A process that has no more files to open, and CAs that cannot be read or are
others, for a while."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme
from asr_call import Call, Script, properties, run_call, spoken
from http_service import over_http, serving, text
from proxy_servers import forward, identity, listening, port_of
from ten_packages.extension.openai_asr_python.connection import cas
from ten_packages.extension.openai_asr_python.connection.cas import (
    BadCaFile,
    tls_context,
)
from ten_packages.extension.openai_asr_python.connection.late_import import (
    whole_packages,
)
from ten_packages.extension.openai_asr_python.connection.threads import (
    one_by_one,
)

from devkit.server import ServerThread

ROOT = Path(__file__).parents[2]


@contextmanager
def no_file_left() -> Iterator[None]:
    """Nothing can be opened any more, nor a socket made; nor by a number
    that is given back meanwhile, as those are above the limit, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    standard_streams = 3
    resource.setrlimit(resource.RLIMIT_NOFILE, (standard_streams, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def pem(tmp_path: Path) -> tuple[trustme.CA, Path]:
    authority, path = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return authority, path


@pytest.mark.parametrize("place", ["ca_file", "file", "directory"])
def test_it_says_nothing_of_the_cas(pem, place, monkeypatch):
    _, path = pem
    hashed = path.with_name("by_hash")
    hashed.mkdir()
    (hashed / "0123abcd.0").write_bytes(path.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(path if place == "file" else ""))
    monkeypatch.setenv(
        "SSL_CERT_DIR", str(hashed if place == "directory" else "")
    )
    named = str(path) if place == "ca_file" else ""

    async def short() -> None:
        with (
            no_file_left(),
            pytest.raises(OSError, match="Too many open files"),
        ):
            await tls_context(named)
        assert len((await tls_context(named)).get_ca_certs()) == 1

    asyncio.run(short())


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO])
def test_a_file_system_that_is_not_there_for_a_moment(pem, number, monkeypatch):
    def stale(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    async def read_twice() -> None:
        with monkeypatch.context() as moment:
            moment.setattr(cas, "read_whole", stale)
            with pytest.raises(OSError, match=os.strerror(number)):
                await tls_context(str(pem[1]))
        assert len((await tls_context(str(pem[1]))).get_ca_certs()) == 1

    asyncio.run(read_twice())


def test_what_cannot_be_read_at_all_is_still_told(tmp_path):
    with pytest.raises(BadCaFile, match="cannot be read"):
        asyncio.run(tls_context(str(tmp_path / "none.pem")))


@pytest.mark.parametrize("own", [True, False], ids=["ca_file", "system"])
@pytest.mark.parametrize(
    "make", [properties, over_http], ids=["websocket", "http"]
)
def test_a_call_that_begins_in_it_goes_on_behind_it(
    pem, make, own, monkeypatch
):
    authority, path = pem
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", "")

    async def script(call: Call) -> None:
        await call.send(spoken([[1, 2]])[0])
        # TEN itself opens files as it starts.
        await call.command("are_you_there")
        with no_file_left():
            await call.send_data("trigger_connect")
            await call.finalize("end")
            await call.until(lambda: call.errors)
        await call.until(lambda: call.texts)

    call = call_in_tls(make, authority, script, path if own else None)
    assert call.texts == ["w000001 w000002"]
    assert {error["code"] for error in call.errors} == {1000}
    assert "Too many open files" in call.errors[0]["message"]


@pytest.mark.parametrize("before", ["none", "other", "other, then none"])
@pytest.mark.parametrize("own", [True, False], ids=["ca_file", "system"])
@pytest.mark.parametrize(
    "make", [properties, over_http], ids=["websocket", "http"]
)
def test_cas_that_were_others_are_read_again(
    pem, make, own, before, monkeypatch
):
    authority, path = pem
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", "")
    right = path.read_bytes()
    if before == "none":
        if own:
            pytest.skip("a ca_file that is not there ends the call")
        path.unlink()
    else:
        trustme.CA().cert_pem.write_to_path(path)

    async def script(call: Call) -> None:
        await call.send(spoken([[1, 2]])[0])
        await call.finalize("end")
        await call.until(lambda: call.errors)
        if before == "other, then none":
            path.unlink()
            told = len(call.errors)
            await call.until(lambda: len(call.errors) > told)
        path.write_bytes(right)
        await call.until(lambda: call.texts)

    call = call_in_tls(make, authority, script, path if own else None)
    assert call.texts == ["w000001 w000002"]
    assert {error["code"] for error in call.errors} == {1000}
    assert "certificate is refused" in call.errors[0]["message"]


def test_a_change_reads_them_again_and_does_not_need_them(
    pem, server, monkeypatch
):
    """A ``ca_file`` that is away for a moment refuses no change of another
    kind; a new one must be there."""
    authority, path = pem

    async def script(call: Call) -> None:
        await call.until(lambda: call.metric("connect_delay"))
        path.unlink()
        for number, change in enumerate(
            ({"prompt": "a"}, {"ca_file": str(path.with_name("none"))})
        ):
            result, _ = await call.command(
                "update_configs", json.dumps({"params": change})
            )
            assert result is not None
            assert result.get_property_int("code")[0] == -number
        await call.send(spoken([[1, 2]])[0])
        await call.finalize("end")
        await call.until(lambda: call.texts)

    with listening(
        forward(port_of(server)), identity(authority, "127.0.0.1")
    ) as port:
        url = f"https://127.0.0.1:{port}/v1"
        call = run_call(properties(url, ca_file=str(path)), script)
    assert call.texts == ["w000001 w000002"]
    assert call.errors == []


def call_in_tls(
    make: Callable[..., dict[str, Any]],
    authority: trustme.CA,
    script: Script,
    ca_file: Path | None,
) -> Call:
    with (
        ServerThread() as server,
        serving(text("w000001 w000002")) as service,
    ):
        plain = service.port if make is over_http else port_of(server)
        tls = identity(authority, "127.0.0.1")
        with listening(forward(plain), tls) as port:
            more = {"ca_file": str(ca_file)} if ca_file else {}
            config = make(f"https://127.0.0.1:{port}/v1", **more)
            return run_call({**config, "auto_connect": False}, script)


class _BadMoment:
    """Finds a module, the first time, as a process that has no memory left,
    or a file system that is not itself."""

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        self.what = what
        self.asked = 0

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != self.name:
            return None
        self.asked += 1
        if self.asked > 1:
            return None
        if self.what == "hollow":
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        if self.what == "missing":
            raise ModuleNotFoundError(f"No module named {name!r}")
        raise ImportError(
            "libx.so: failed to map segment from shared object: "
            + os.strerror(errno.ENOMEM)
        )


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("no room", "Cannot allocate memory"),
        ("hollow", "__init__.py cannot be found"),
        ("missing", ""),
    ],
)
def test_a_package_that_cannot_be_loaded_now_is_not_a_missing_one(
    monkeypatch, what, told
):
    name = "ten_packages.extension.openai_asr_python.connection.http_client"
    parent, _, child = name.rpartition(".")
    import_module(name)
    monkeypatch.setattr(sys.modules[parent], child, sys.modules[name])
    monkeypatch.delitem(sys.modules, name)
    finder = _BadMoment(name, what)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    async def script(call: Call) -> None:
        await call.send(spoken([[1, 2]])[0])
        await call.until_finalized("end")
        await call.until(lambda: call.texts)

    with serving(text("w000001 w000002")) as service:
        call = run_call(over_http(service.url), script)
    assert call.texts == ["w000001 w000002"]
    errors = [error["message"] for error in call.errors]
    assert len(errors) == bool(told)
    assert all(told in error for error in errors)
    assert finder.asked == 2


def test_what_others_import_meanwhile_stays(monkeypatch):
    """A namespace package is hollow by right."""
    theirs = ModuleType("theirs")
    spec = ModuleSpec("theirs", None, is_package=True)
    spec.submodule_search_locations = []
    theirs.__spec__, theirs.__path__ = spec, []

    def load() -> None:
        monkeypatch.setitem(sys.modules, "theirs", theirs)
        raise ModuleNotFoundError("No module named 'openai'", name="openai")

    with pytest.raises(ImportError), whole_packages():
        load()
    assert sys.modules["theirs"] is theirs


def test_a_package_that_is_whole_by_now_is_found_again(monkeypatch, tmp_path):
    """Whoever imported it, and whatever failed for it."""
    (tmp_path / "half_there").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not hasattr(import_module("half_there"), "whole")
    (tmp_path / "half_there" / "__init__.py").write_text("whole = True")
    with pytest.raises(OSError, match="half_there"), whole_packages():
        raise RuntimeError
    assert import_module("half_there").whole
    del sys.modules["half_there"]


def test_one_hollow_package_in_another_goes_with_it(monkeypatch, tmp_path):
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "inner" / "part.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    import_module("outer.inner.part")
    missing = ImportError("cannot import name 'x' from 'outer'", name="outer")
    with pytest.raises(OSError, match=r"outer, outer\.inner"), whole_packages():
        raise missing
    assert not {"outer", "outer.inner"} & sys.modules.keys()


def test_a_file_whose_folder_says_nothing_is_passed_over(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/" + "x" * 300)
    asyncio.run(tls_context(""))


def test_a_thread_that_cannot_begin_is_in_the_way_of_none(monkeypatch):
    def no_room(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_room)
        with pytest.raises(MemoryError):
            one_by_one("test", lambda: 1)
    assert one_by_one("test", lambda: 2).result(10) == 2


def test_what_tells_a_failure_is_there_before_one():
    """Then there may be no file left to read it from."""
    code = """
from devkit.bootstrap import ensure_ten
ensure_ten()
import sys
from ten_packages.extension.openai_asr_python.connection import http_connection
http_connection._load()
assert "ten_packages.extension.openai_asr_python.connection.http_faults" in (
    sys.modules
)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
