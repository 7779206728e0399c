"""Which addons there are, and where their packages lie."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from ._log import log_line
from .addon import Addon
from .log_level import LogLevel

AddonT = TypeVar("AddonT", bound=type[Addon])


@dataclass(frozen=True)
class RegisteredAddon:
    """An addon in use and its package's directory."""

    addon: Addon
    directory: Path


class AddonImportError(Exception):
    """The package of an addon cannot be imported or does not register it."""


class _AddonManager:
    """Registration handlers by name; run when an addon is first needed."""

    _registry: ClassVar[dict[str, Callable[[], None]]] = {}
    _in_use: ClassVar[dict[str, RegisteredAddon]] = {}

    @classmethod
    def _use(cls, name: str) -> RegisteredAddon:
        """The addon, imported if need be; raises ``AddonImportError``."""
        if name not in cls._in_use:
            if name not in cls._registry:
                cls._import(name)
            cls._register(name)
        found = cls._in_use.get(name)
        if found is None:
            raise AddonImportError(
                f"package {name!r} does not register an addon of that name"
                " (its __init__.py imports the module that does?)"
            )
        return found

    @classmethod
    def _register(cls, name: str) -> None:
        try:
            if name in cls._registry:
                cls._registry[name]()
        except Exception as error:
            text = f"registering addon {name!r} failed: {error!r}"
            log_line(LogLevel.ERROR, text, error=error)

    @staticmethod
    def _import(name: str) -> None:
        module = f"ten_packages.extension.{name}"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            text = f"importing {module}: {error}"
            if error.name in (module, "ten_packages", "ten_packages.extension"):
                text = f"unknown addon {name!r}: there is no module {module}"
            raise AddonImportError(text) from error
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise AddonImportError(
                f"importing {module}: {type(error).__name__}: {error} "
                f"({where.filename}:{where.lineno})"
            ) from error


def register_addon_as_extension(
    name: str, base_dir: str | None = None
) -> Callable[[AddonT], AddonT]:
    """Class decorator that registers an :class:`Addon`.

    ``base_dir`` is a *file* in the package directory (``__file__``); without
    it the file that applies the decorator counts. The directory is where
    manifest.json and property.json are looked for.
    """
    if base_dir is None:
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        base_dir = caller.f_code.co_filename if caller is not None else "."
    directory = Path(base_dir).resolve().parent

    def decorate(cls: AddonT) -> AddonT:
        def handler() -> None:
            _AddonManager._in_use[name] = RegisteredAddon(cls(), directory)

        if name in _AddonManager._in_use:
            print(f"Addon {name!r} is already registered, skipped.")
        else:
            # Before the first use the last registration wins: a test run may
            # import one package under two module names.
            _AddonManager._registry[name] = handler
        return cls

    return decorate
