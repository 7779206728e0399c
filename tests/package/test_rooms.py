"""Which room of the package may use which."""

from __future__ import annotations

from collections.abc import Iterable

from rooms import ROOT, modules, rooms, uses

#: A room (or a module of the root), and all that it may import besides the
#: standard library and itself: rooms and modules of ours with a dot, packages
#: of others without.
MAY_USE = {
    "realtime": {"openai"},
    "audio": {"numpy", "onnxruntime", "soxr"},
    "service": {".realtime"},
    "safety": {".realtime", ".service"},
    "connection": {
        ".audio",
        ".realtime",
        ".safety",
        ".service",
        "httpcore2",
        "httpx2",
        "openai",
        "python_socks",
        "typing_extensions",
        "websockets",
    },
    "recording": {".realtime", ".safety"},
    "config": {".realtime", ".service", "openai", "pydantic"},
    "properties": {".config", ".service", "pydantic"},
    "openai_asr_client": {".connection", ".realtime"},
    "audio_dumper": {".audio", ".realtime", ".recording", ".safety"},
    "call": {
        ".audio",
        ".config",
        ".connection",
        ".openai_asr_client",
        ".properties",
        ".realtime",
    },
    "contract": {
        ".audio_dumper",
        ".call",
        ".config",
        ".connection",
        ".realtime",
        ".safety",
        ".service",
        "ten_ai_base",
        "ten_runtime",
        "typing_extensions",
    },
    "extension": {
        ".call",
        ".config",
        ".contract",
        ".properties",
        ".realtime",
        ".safety",
        ".service",
        "ten_ai_base",
        "ten_runtime",
        "typing_extensions",
    },
    "addon": {".extension", "ten_runtime"},
    "__init__": {".addon"},
}
#: What the core must not know, though it is of the standard library.
IO = {"asyncio", "socket", "ssl", "threading", "time"}


def everything(names: Iterable[str]) -> set[str]:
    """``names``, and all that they may use, and so on."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(MAY_USE.get(name.lstrip("."), ()))
    return found


def test_each_room_uses_only_what_it_may():
    strangers = [
        f"{path.relative_to(ROOT)} uses {name}"
        for room, path in modules()
        for name in sorted(set(uses(path)) - MAY_USE[room])
    ]
    assert strangers == []


def test_each_permission_is_used():
    used: dict[str, set[str]] = {room: set() for room in MAY_USE}
    for room, path in modules():
        used[room].update(uses(path))
    assert used == MAY_USE


def test_no_room_uses_itself_through_another():
    for room, names in MAY_USE.items():
        assert f".{room}" not in everything(names), room


def test_the_core_has_no_input_and_output():
    for path in (ROOT / "realtime").glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        words = [line.split() for line in lines]
        imported = {
            w[1].split(".")[0] for w in words if w[:1] in (["import"], ["from"])
        }
        assert not imported & IO, path


def test_each_room_says_what_lives_there():
    for room in rooms():
        text = (ROOT / room / "__init__.py").read_text(encoding="utf-8")
        assert text.startswith('"""'), room
        for path in (ROOT / room).glob("[!_]*.py"):
            assert f"``{path.stem}``" in text, f"{room} does not name {path}"
