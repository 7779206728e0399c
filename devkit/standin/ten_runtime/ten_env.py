"""The synchronous environment: of extensions, addons and apps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._owner import EnvOwner, Stage
from ._sending import SyncSending
from ._tree import bad_json
from .error import TenError

if TYPE_CHECKING:
    from ._creation import Creation


class TenEnv(SyncSending):
    """Like ``AsyncTenEnv``, with plain calls and result callbacks."""

    def __init__(self, owner: EnvOwner) -> None:
        super().__init__(owner)

    def on_configure_done(self) -> None:
        """on_configure is over."""
        self._owner.stage_done(Stage.CONFIGURE)

    def on_init_done(self) -> None:
        """on_init is over."""
        self._owner.stage_done(Stage.INIT)

    def on_start_done(self) -> None:
        """on_start is over."""
        self._owner.stage_done(Stage.START)

    def on_stop_done(self) -> None:
        """on_stop is over."""
        self._owner.stage_done(Stage.STOP)

    def on_deinit_done(self) -> None:
        """on_deinit is over; nothing works after it."""
        self._owner.stage_done(Stage.DEINIT)

    def on_create_instance_done(
        self, instance: object, context: object
    ) -> None:
        """Hand over what ``Addon.on_create_instance`` made."""
        creation: Creation = context  # type: ignore[assignment]
        creation.done(instance)

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

    def get_property_int(self, path: str) -> tuple[int, TenError | None]:
        """An integer; ``(0, error)`` if missing or of another type."""
        return self._owner.get(path, int, 0)

    def set_property_int(self, path: str, value: int) -> TenError | None:
        """Set an int64."""
        return self._owner.set(path, value, int)

    def get_property_string(self, path: str) -> tuple[str, TenError | None]:
        """A string; ``("", error)`` if missing or of another type."""
        return self._owner.get(path, str, "")

    def set_property_string(self, path: str, value: str) -> TenError | None:
        """Set a string."""
        return self._owner.set(path, value, str)

    def get_property_bool(self, path: str) -> tuple[bool, TenError | None]:
        """A bool; ``(False, error)`` if missing or of another type."""
        return self._owner.get(path, bool, False)

    def set_property_bool(self, path: str, value: bool) -> TenError | None:
        """Set a bool."""
        return self._owner.set(path, value, bool)

    def get_property_float(self, path: str) -> tuple[float, TenError | None]:
        """A real; ``(0.0, error)`` if missing or of another type."""
        return self._owner.get(path, float, 0.0)

    def set_property_float(self, path: str, value: float) -> TenError | None:
        """Set a float64."""
        return self._owner.set(path, value, float)

    def is_property_exist(self, path: str) -> tuple[bool, TenError | None]:
        """Whether it exists; a missing one is ``(False, None)``."""
        return self._owner.exists(path)

    def init_property_from_json(self, json_str: str) -> TenError | None:
        """Replace the package's (or app's) properties; in on_configure."""
        return self._owner.set_init_json(json_str)
