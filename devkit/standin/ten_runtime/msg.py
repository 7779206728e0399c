"""What all messages have in common."""

from __future__ import annotations

from typing import Any

from typing_extensions import Self

from ._abort import native_abort
from ._core import MsgCore
from ._properties import TypedProperties
from ._tree import (
    Tree,
    bad_json,
    check_path_type,
    check_setter,
    copy_tree,
    get_typed,
    json_at,
    parse_json,
    store,
)
from .error import TenError, TenErrorCode
from .loc import Loc, problem_of


class Msg(TypedProperties):
    """A handle on a message. It is empty once the message was sent."""

    _core: MsgCore | None

    def __init__(self) -> None:
        raise ValueError(f"use {type(self).__name__}.create()")

    @classmethod
    def _wrap(cls, core: MsgCore) -> Self:
        message = cls.__new__(cls)
        message._core = core
        return message

    def _live(self) -> MsgCore:
        if self._core is None:
            raise ValueError("Msg is invalidated.")
        return self._core

    def _native(self, what: str) -> MsgCore:
        """The core, for calls that abort on a message already sent."""
        if self._core is None:
            raise native_abort(f"{what} on a message that was already sent")
        return self._core

    def clone(self) -> Self:
        """A deep copy; of a command, one that is answered by itself."""
        return self._wrap(self._native("clone()").clone())

    def get_name(self) -> str:
        """The message name."""
        return self._live().name

    def set_name(self, name: str) -> None:
        """Rename it; raises ``ValueError`` if that is impossible."""
        core = self._live()
        if not isinstance(name, str):
            raise ValueError("a message name must be a str")
        core.name = name

    def get_source(self) -> Loc:
        """Who sent it (an empty ``Loc`` before it was sent)."""
        source = self._live().source
        return Loc(source.app_uri, source.graph_id, source.extension_name)

    def set_dests(self, locs: list[Loc]) -> TenError | None:
        """Address it past the graph's connections; ``[]`` undoes that."""
        core = self._live()
        for loc in locs:
            problem = problem_of(loc)
            if problem is not None:
                return TenError.create(
                    TenErrorCode.ErrorCodeInvalidArgument, problem
                )
        core.dests = [
            Loc(loc.app_uri, loc.graph_id, loc.extension_name) for loc in locs
        ]
        return None

    def get_property_to_json(
        self, path: str | None = None
    ) -> tuple[str, TenError | None]:
        """JSON text of one property, or of all (path None or "")."""
        return json_at(self._live().props, path)

    def set_property_from_json(
        self, path: str | None, json_str: str
    ) -> TenError | None:
        """Set one property, or replace all (path None or "")."""
        core = self._live()
        if path is not None:
            check_path_type(path)
        if not isinstance(json_str, str):
            raise ValueError("the JSON text must be a str")
        try:
            value = parse_json(json_str)
        except ValueError as error:
            return bad_json(error)
        if path:
            return _store(core, path, value)
        if not isinstance(value, dict):
            raise native_abort("all properties together must be a JSON object")
        core.props = value
        return None

    def get_property_buf(self, path: str) -> tuple[bytearray, TenError | None]:
        """A copy of a buffer property; empty with an error if there is none."""
        value, error = self._get(path, bytes, b"")
        return bytearray(value), error

    def set_property_buf(self, path: str, value: bytes) -> TenError | None:
        """Set a buffer property."""
        return self._set(path, value, bytes)

    def _get(
        self, path: str, kind: type, default: Any
    ) -> tuple[Any, TenError | None]:
        core = self._live()
        if isinstance(path, str) and path.split(".", 1)[0] == "ten":
            return get_typed(_builtin(core), path, kind, default)
        return get_typed(core.props, path, kind, default)

    def _set(self, path: str, value: object, kind: type) -> TenError | None:
        core = self._live()
        return _store(core, path, check_setter(path, value, kind))


def _builtin(core: MsgCore) -> Tree:
    """Built-in fields, which live under the first segment ``ten``."""
    return {"ten": {"name": core.name, "type": core.kind}}


def _store(core: MsgCore, path: str, value: Any) -> TenError | None:
    if path == "ten.name" and isinstance(value, str):
        core.name = value
        return None
    if path.split(".", 1)[0] == "ten":
        return TenError.create(
            TenErrorCode.ErrorCodeInvalidArgument,
            f"{path!r} is a built-in field that cannot be set",
        )
    return store(core.props, path, copy_tree(value))
