"""What an environment belongs to: an extension node, an addon or an app."""

from __future__ import annotations

import threading
from enum import IntEnum
from typing import Any

from ._abort import native_abort
from ._files import ConfigError, decode_json
from ._log import log_line
from ._schema import Api, ValueSchema
from ._tree import (
    Tree,
    bad_path,
    check_path_type,
    check_setter,
    copy_tree,
    get_typed,
    json_at,
    lookup,
    parse_json,
    parse_path,
    store,
)
from .error import TenError, TenErrorCode, closed_error, generic_error
from .log_level import LogLevel


class Stage(IntEnum):
    """Stages of a life, in order."""

    CREATED = 0
    CONFIGURE = 1
    INIT = 2
    START = 3
    RUNNING = 4
    STOP = 5
    DEINIT = 6
    CLOSED = 7


class EnvOwner:
    """Properties and log of one owner; all of it from any thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stage = Stage.CREATED
        self.api = Api()
        self.props: Tree | None = None
        #: What ``set_init_json`` took over, and what it did not.
        self.init_tree: Tree | None = None
        self.refused: ConfigError | None = None
        self._lock = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether on_deinit is over: from here on, error 6 for all."""
        return self.stage is Stage.CLOSED

    def stage_done(self, stage: Stage) -> None:
        """One of ``on_*_done()`` was called."""

    def log(
        self, level: LogLevel, text: str, category: str | None = None
    ) -> TenError | None:
        """One log line."""
        if self.closed:
            return closed_error()
        log_line(level, text, node=self.name, category=category)
        return None

    # Properties -----------------------------------------------------------

    def _tree(self) -> tuple[Tree, TenError | None]:
        if self.closed:
            return {}, closed_error()
        if self.props is None:
            return {}, generic_error(
                "properties are loaded after on_configure, before on_init"
            )
        return self.props, None

    def get(
        self, path: str, kind: type, default: Any
    ) -> tuple[Any, TenError | None]:
        """A property of exactly that type, or the default with an error."""
        check_path_type(path)
        with self._lock:
            tree, error = self._tree()
            if error is not None:
                return default, error
            return get_typed(tree, path, kind, default)

    def to_json(self, path: str | None) -> tuple[str, TenError | None]:
        """JSON text of one property or of all."""
        with self._lock:
            tree, error = self._tree()
            return ("", error) if error is not None else json_at(tree, path)

    def exists(self, path: str) -> tuple[bool, TenError | None]:
        """Whether there is such a property; a missing one is no error."""
        check_path_type(path)
        with self._lock:
            tree, error = self._tree()
            if error is not None:
                return False, error
            if parse_path(path) is None:
                return False, bad_path(path)
            return lookup(tree, path)[1] is None, None

    def set(self, path: str, value: object, kind: type) -> TenError | None:
        """Set a property; a declared one keeps its type."""
        return self._set(path, check_setter(path, value, kind))

    def set_json(self, path: str | None, text: str) -> TenError | None:
        """Set from JSON; raises ``ValueError`` if ``text`` is none."""
        value = parse_json(text)
        if not path:
            raise native_abort("set_property_from_json() needs a path")
        check_path_type(path)
        return self._set(path, value)

    def _set(self, path: str, value: Any) -> TenError | None:
        with self._lock:
            tree, error = self._tree()
            if error is not None:
                return error
            schema = self._declared(path)
            if schema is not None:
                value, problem = schema.adjust(value, path)
                if problem is not None:
                    return TenError.create(
                        TenErrorCode.ErrorCodeInvalidType, problem
                    )
            return store(tree, path, copy_tree(value))

    def _declared(self, path: str) -> ValueSchema | None:
        schema: ValueSchema | None = self.api.properties
        for segment in parse_path(path) or ():
            if schema is None:
                return None
            if isinstance(segment, int):
                schema = schema.items
            else:
                schema = schema.properties.get(segment)
        return schema

    def set_init_json(self, text: str) -> TenError | None:
        """Replace the package's property.json; only in on_configure.

        What is refused is not taken over.
        """
        if self.closed:
            return closed_error()
        if self.stage is not Stage.CONFIGURE:
            return generic_error(
                "init_property_from_json() is for on_configure only"
            )
        if not isinstance(text, str):
            raise ValueError("the JSON text must be a str")
        where = f"init_property_from_json of {self.name}"
        try:
            tree = decode_json(text, where)
            if not isinstance(tree, dict):
                raise ConfigError.of(where, "must be a JSON object")
            self.check_init(tree)
        except ConfigError as error:
            self.refused = error
            self.log(LogLevel.ERROR, str(error))
            return TenError.create(
                TenErrorCode.ErrorCodeInvalidJSON, str(error)
            )
        self.init_tree = tree
        return None

    def check_init(self, tree: Tree) -> None:
        """Raise ``ConfigError`` if these cannot be the properties."""
