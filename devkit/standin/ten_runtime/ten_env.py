"""The synchronous environment: of extensions, addons and apps."""

from __future__ import annotations

import threading
from typing import Any

from ._owner import Stage
from ._properties import TypedProperties
from ._sending import SyncSending
from ._tree import bad_json
from .error import TenError

#: Seconds that an addon may take to hand its instance over.
CREATION_LIMIT_S = 30.0


class Creation:
    """The ``context`` of ``on_create_instance``."""

    def __init__(self) -> None:
        self.instance: object = None
        self._ready = threading.Event()

    def done(self, instance: object) -> None:
        """Called by ``on_create_instance_done``."""
        self.instance = instance
        self._ready.set()

    def wait(self) -> bool:
        """Whether it was called in time."""
        return self._ready.wait(CREATION_LIMIT_S)


class TenEnv(SyncSending, TypedProperties):
    """Like ``AsyncTenEnv``, with plain calls and result callbacks."""

    def on_configure_done(self) -> None:
        """on_configure is over."""
        self._owner.stage_done(Stage.CONFIGURE)

    def on_create_instance_done(
        self, instance: object, context: object
    ) -> None:
        """Hand over what ``Addon.on_create_instance`` made."""
        assert isinstance(context, Creation)
        context.done(instance)

    def get_property_to_json(
        self, path: str | None = None
    ) -> tuple[str, TenError | None]:
        """JSON text of one property, or of all (path None or "")."""
        return self._owner.to_json(path)

    def set_property_from_json(
        self, path: str, json_str: str
    ) -> TenError | None:
        """Set a property from JSON text."""
        try:
            return self._owner.set_json(path, json_str)
        except ValueError as error:
            return bad_json(error)

    def _get(
        self, path: str, kind: type, default: Any
    ) -> tuple[Any, TenError | None]:
        return self._owner.get(path, kind, default)

    def _set(self, path: str, value: object, kind: type) -> TenError | None:
        return self._owner.set(path, value, kind)

    def is_property_exist(self, path: str) -> tuple[bool, TenError | None]:
        """Whether it exists; a missing one is ``(False, None)``."""
        return self._owner.exists(path)

    def init_property_from_json(self, json_str: str) -> TenError | None:
        """Replace the package's (or app's) properties; in on_configure."""
        return self._owner.set_init_json(json_str)
