"""Find a TEN runtime: the real one if it can be imported, else the stand-in.

``DEVKIT_RUNTIME=ten|standin`` asks for one of them.

Importable with the standard library alone, because it runs before anything
else does. ``ensure_ten()`` must come before the first ``import ten_runtime``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Literal

__all__ = [
    "ensure_standin",
    "ensure_ten",
    "register_package",
    "runtime_is_importable",
]

EXTENSION_PACKAGE = "openai_asr_python"
_STANDIN = Path(__file__).resolve().parent / "standin"
_REPOSITORY = Path(__file__).resolve().parent.parent
_NAMESPACES = ("ten_packages", "ten_packages.extension")
_EXTENSIONS = "ten_packages.extension."


class _ExtensionFinder(MetaPathFinder):
    """Maps ``ten_packages.extension.NAME`` to a directory of any name.

    A TEN app has that directory tree; a checkout has not, and may be called
    anything. Entries on ``sys.path`` keep working beside the mapped ones.
    """

    def __init__(self) -> None:
        self.packages: dict[str, Path] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname in _NAMESPACES:
            return self._namespace(fullname, path)
        if not fullname.startswith(_EXTENSIONS):
            return None
        directory = self.packages.get(fullname[len(_EXTENSIONS) :])
        if directory is None:
            return None
        init = directory / "__init__.py"
        if not init.is_file():
            return None
        return importlib.util.spec_from_file_location(
            fullname, init, submodule_search_locations=[str(directory)]
        )

    @staticmethod
    def _namespace(
        fullname: str, path: Sequence[str] | None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(fullname, path)
        if found is not None and found.origin is not None:
            return found  # an ordinary package of that name: leave it
        spec = ModuleSpec(fullname, None, is_package=True)
        if found is not None and found.submodule_search_locations:
            locations = list(found.submodule_search_locations)
            spec.submodule_search_locations = locations
        return spec


_finder = _ExtensionFinder()


def ensure_ten(package_root: Path | None = None) -> Literal["real", "stand-in"]:
    """Make ``ten_runtime`` importable and say which one it is.

    ``package_root`` is the directory that is to be imported as
    ``ten_packages.extension.openai_asr_python`` (default: this repository).
    With a real runtime nothing is changed: its app layout decides. Calling it
    again is harmless.
    """
    if not _standin_is_active():
        if _wanted() != "standin" and _importable("ten_runtime"):
            return "real"
        if _wanted() == "ten":
            raise ModuleNotFoundError(
                "DEVKIT_RUNTIME=ten, but no TEN runtime is importable",
                name="ten_runtime",
            )
    ensure_standin(package_root)
    return "stand-in"


def ensure_standin(package_root: Path | None = None) -> None:
    """`ensure_ten` for what is about the package alone: the stand-in, also
    where there is a real runtime, whose app layout would have to be around."""
    if not _standin_is_active():
        sys.path.insert(0, str(_STANDIN))
        importlib.invalidate_caches()
    if package_root is not None:
        register_package(EXTENSION_PACKAGE, package_root)
    elif EXTENSION_PACKAGE not in _finder.packages:
        register_package(EXTENSION_PACKAGE, _REPOSITORY)


def register_package(name: str, path: Path) -> None:
    """Make directory ``path`` importable as ``ten_packages.extension.NAME``.

    Raises ``ValueError`` for a name that TEN would refuse. A module that was
    imported under that name earlier stays as it is.
    """
    if not (name.isascii() and name.isidentifier()):
        raise ValueError(f"{name!r} is not a TEN package name")
    _finder.packages[name] = Path(path).resolve()
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _wanted() -> str:
    wanted = os.environ.get("DEVKIT_RUNTIME", "")
    if wanted not in ("", "ten", "standin"):
        raise ValueError(f"DEVKIT_RUNTIME={wanted}: must be ten or standin")
    return wanted


def runtime_is_importable() -> bool:
    """Whether a real TEN runtime can be imported here."""
    return not _standin_is_active() and _importable("ten_runtime")


def _standin_is_active() -> bool:
    return str(_STANDIN) in sys.path


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # already imported, but without a spec
        return name in sys.modules
