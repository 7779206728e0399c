"""``manifest.json`` of an extension package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ._files import Checker, ConfigError, read_json_object
from ._schema import ALL_TYPES, MESSAGE_KEYS, Api, ValueSchema

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?\Z")
TOP_KEYS = (
    "type",
    "name",
    "version",
    "description",
    "display_name",
    "readme",
    "tags",
    "supports",
    "dependencies",
    "dev_dependencies",
    "api",
    "package",
    "scripts",
)
API_KEYS = ("interface", "property", *MESSAGE_KEYS)
_BASE_API = Path(__file__).resolve().parent.parent / "ten_ai_base" / "api"


class ManifestReader:
    """Reads one manifest."""

    def __init__(self, path: Path, app_dir: Path | None = None) -> None:
        self.path = path
        self.app_dir = app_dir
        self._check = Checker()
        self._complain = self._check.complain
        self.api = Api()
        self.manifest = read_json_object(path)

    def read(self, package_type: str = "extension") -> None:
        """Fill :attr:`api`; raises :class:`ConfigError` for all that is
        wrong."""
        self._check_head(package_type)
        self.dependencies()
        api = self.manifest.get("api", {})
        if self._check.is_object(api, "$.api"):
            self._read_api(api, "$.api", self.path.parent, in_interface=False)
        if self._check.problems:
            raise ConfigError(str(self.path), self._check.problems)

    def dependencies(self) -> list[tuple[str, str]]:
        """``(JSON path, directory)`` of each local dependency."""
        local: list[tuple[str, str]] = []
        for path, item in self._check.items(self.manifest, "dependencies", "$"):
            keys = set(item) if isinstance(item, dict) else set()
            if keys == {"path"} and isinstance(item["path"], str):
                local.append((path, item["path"]))
            elif keys != {"type", "name", "version"}:
                self._complain(
                    path,
                    'must be {"path": …} or'
                    ' {"type": …, "name": …, "version": …}',
                )
        return local

    def _check_head(self, package_type: str) -> None:
        manifest = self.manifest
        self._check.keys(manifest, TOP_KEYS, "$")
        for key in ("type", "name", "version"):
            if not isinstance(manifest.get(key), str):
                self._complain(f"$.{key}", "required, must be a string")
                return
        if manifest["type"] != package_type:
            self._complain("$.type", f"must be {package_type!r}")
        if not IDENTIFIER.match(manifest["name"]):
            self._complain("$.name", "must be an identifier (A-Z a-z 0-9 _)")
        if not VERSION.match(manifest["version"]):
            self._complain("$.version", "must be a full version like 1.2.3")

    def _read_api(
        self, api: dict[str, Any], path: str, base: Path, in_interface: bool
    ) -> None:
        self._check.keys(api, API_KEYS, path)
        for where, item in self._check.items(api, "interface", path):
            self._import(item, where, base)
        if "property" in api:
            found = self._properties(api["property"], f"{path}.property")
            _extend(self.api.properties, found)
        for key in MESSAGE_KEYS:
            for where, item in self._check.items(api, key, path):
                self._message(key, item, where, in_interface)

    def _import(self, item: Any, path: str, base: Path) -> None:
        uri = item.get("import_uri") if isinstance(item, dict) else None
        if not isinstance(uri, str):
            self._complain(path, 'must be {"import_uri": …}')
            return
        file = self._resolve(uri, base)
        try:
            interface = read_json_object(file)
        except ConfigError as error:
            self._complain(f"{path}.import_uri", str(error))
            return
        self._read_api(interface, path, file.parent, in_interface=True)

    def _resolve(self, uri: str, base: Path) -> Path:
        if self.app_dir is not None:
            uri = uri.replace("${app_base_dir}", str(self.app_dir))
        file = base / uri
        # The system package is not installed beside us: we carry its file.
        if not file.is_file() and "system/ten_ai_base/api/" in uri:
            return _BASE_API / file.name
        return file

    def _message(
        self, key: str, item: Any, path: str, in_interface: bool
    ) -> None:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            self._complain(path, 'must be an object with a "name"')
            return
        allowed = ["name", "property"]
        if key.startswith("cmd"):
            allowed.append("result")
        if in_interface:
            # The shipped interface keeps "required" beside "property", where
            # nobody looks at it.
            allowed.append("required")
        self._check.keys(item, allowed, path)
        at = (key, item["name"])
        self.api.names.setdefault(key, set()).add(item["name"])
        if "property" in item:
            found = self._properties(item["property"], f"{path}.property")
            _extend(self.api.messages.setdefault(at, found), found)
        result = item.get("result", {})
        if isinstance(result, dict) and "property" in result:
            where = f"{path}.result.property"
            found = self._properties(result["property"], where)
            _extend(self.api.results.setdefault(at, found), found)

    def _properties(self, value: Any, path: str) -> ValueSchema:
        schema = ValueSchema("object")
        keys = ("properties", "required")
        text = 'must be {"properties": {…}}'
        if not self._check.is_object(value, path, keys, text):
            return schema
        properties = value.get("properties", {})
        if not self._check.is_object(properties, f"{path}.properties"):
            return schema
        for name, declared in properties.items():
            where = f"{path}.properties.{name}"
            if not IDENTIFIER.match(name):
                self._complain(where, "the name must be an identifier")
            schema.properties[name] = self._value(declared, where)
        schema.required = self._required(value, path)
        return schema

    def _required(self, value: dict[str, Any], path: str) -> tuple[str, ...]:
        required = value.get("required", [])
        if isinstance(required, list) and all(
            isinstance(name, str) for name in required
        ):
            return tuple(required)
        self._complain(f"{path}.required", "must be an array of names")
        return ()

    def _value(self, value: Any, path: str) -> ValueSchema:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict) or kind not in ALL_TYPES:
            self._complain(
                f"{path}.type", f"must be one of {', '.join(ALL_TYPES)}"
            )
            return ValueSchema("object")
        allowed = ["type", "description"]
        schema = ValueSchema(str(kind))
        if kind == "array":
            allowed.append("items")
            schema.items = self._value(value.get("items"), f"{path}.items")
        elif kind == "object":
            allowed += ["properties", "required"]
            if "properties" not in value:
                self._complain(path, 'an object needs "properties" (or {})')
            nested = {
                key: value[key]
                for key in ("properties", "required")
                if key in value
            }
            schema = self._properties(nested, path)
        self._check.keys(value, allowed, path)
        return schema


def _extend(schema: ValueSchema, more: ValueSchema) -> None:
    """Add what ``more`` declares; a package's own words win."""
    schema.properties.update(more.properties)
    schema.required = tuple(dict.fromkeys((*schema.required, *more.required)))
