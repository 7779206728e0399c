"""An extension package on disk: what it declares and its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ._files import ConfigError, find_nulls, read_json_object
from ._manifest import ManifestReader
from ._schema import Api
from ._tree import Tree


@dataclass
class Package:
    """Declared API and default properties."""

    directory: Path
    api: Api = field(default_factory=Api)
    properties: Tree = field(default_factory=dict)


def load_package(directory: Path, app_dir: Path | None = None) -> Package:
    """Read ``manifest.json`` and ``property.json``, both of them optional.

    Raises :class:`ConfigError`.
    """
    package = Package(directory)
    manifest = directory / "manifest.json"
    if manifest.exists():
        reader = ManifestReader(manifest, app_dir)
        reader.read()
        package.api = reader.api
    properties = directory / "property.json"
    if properties.exists():
        package.properties = read_json_object(properties)
        nulls = find_nulls(package.properties, "$")
        if nulls:
            raise ConfigError(str(properties), nulls)
    return package
