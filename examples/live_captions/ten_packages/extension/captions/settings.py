"""The properties of the captions node.

Values that come from `${env:…}` placeholders are always strings in TEN,
so numbers and switches are read from strings as well.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .writers import check_suffix


@dataclass(frozen=True)
class Settings:
    """See README.md of the app for what each property does."""

    output_path: Path | None = None
    report_path: Path | None = None
    finalize_wait_ms: int = 20_000
    reconnect_wait_ms: int = 30_000
    color: bool = True

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> "Settings":
        """Read the node's properties; blank means "not given".

        Raises:
            ValueError: names the property and what it may be.
        """
        output_path = _path(properties, "output_path")
        if output_path is not None:
            try:
                check_suffix(output_path)
            except ValueError as error:
                raise ValueError(f"output_path: {error}") from None
        return cls(
            output_path=output_path,
            report_path=_path(properties, "report_path"),
            finalize_wait_ms=_milliseconds(
                properties, "finalize_wait_ms", cls.finalize_wait_ms
            ),
            reconnect_wait_ms=_milliseconds(
                properties, "reconnect_wait_ms", cls.reconnect_wait_ms
            ),
            color=_switch(properties, "color", cls.color),
        )

    @classmethod
    def report_only(cls, properties: Mapping[str, Any]) -> "Settings":
        """Defaults, but the report still says that the rest was wrong."""
        try:
            return cls(report_path=_path(properties, "report_path"))
        except ValueError:
            return cls()


def _path(properties: Mapping[str, Any], name: str) -> Path | None:
    value = properties.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name}: must be a path, not {value!r}")
    return Path(value).expanduser() if value.strip() else None


def _milliseconds(
    properties: Mapping[str, Any], name: str, default: int
) -> int:
    value = properties.get(name, "")
    if value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= 3_600_000:
        raise ValueError(
            f"{name}: must be milliseconds from 0 to 3600000, not {value!r}"
        )
    return int(number)


def _switch(properties: Mapping[str, Any], name: str, default: bool) -> bool:
    value = properties.get(name, "")
    if value == "":
        return default
    words = {"true": True, "on": True, "1": True, "yes": True}
    words |= {"false": False, "off": False, "0": False, "no": False}
    known = words.get(str(value).strip().lower())
    if known is None:
        raise ValueError(f"{name}: must be true or false, not {value!r}")
    return known
