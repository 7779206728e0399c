"""The properties of the file source node.

Values that come from `${env:…}` placeholders are always strings in TEN,
so numbers are read from strings as well.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# ten_packages/extension/file_source/settings.py lies in the app.
_APP = Path(__file__).parent.parent.parent.parent


@dataclass(frozen=True)
class Settings:
    """What to play, and how.

    `speed` 1.0 is real time, 2.0 twice as fast. `tail_silence_ms` of
    silence follow the file so that a server's turn detection hears the
    last turn end.
    """

    path: Path
    speed: float
    frame_ms: int
    tail_silence_ms: int
    session_id: str

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> "Settings":
        """Read the node's properties.

        A relative `path` is looked up in the working directory, then in
        the app's directory.

        Raises:
            ValueError: names the property and what it may be.
        """
        path = properties.get("path", "")
        if not isinstance(path, str) or not path.strip():
            raise ValueError(f"path: must name an audio file, not {path!r}")
        session_id = properties.get("session_id", "")
        if not isinstance(session_id, str):
            # A number here would make the ASR extension's schema refuse
            # every frame, which nobody would see.
            raise ValueError(
                f"session_id: must be a string, not {session_id!r}"
            )
        return cls(
            path=_locate(Path(path).expanduser()),
            speed=_number(properties, "speed", 1.0, 0.01, 1000.0),
            frame_ms=int(_number(properties, "frame_ms", 10, 1, 1000)),
            tail_silence_ms=int(
                _number(properties, "tail_silence_ms", 1000, 0, 60_000)
            ),
            session_id=session_id,
        )


def _locate(path: Path) -> Path:
    if not path.is_absolute() and not path.exists():
        in_app = _APP / path
        if in_app.exists():
            return in_app
    return path


def _number(
    properties: Mapping[str, Any],
    name: str,
    default: float,
    least: float,
    most: float,
) -> float:
    value = properties.get(name, "")
    if value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not least <= number <= most:
        raise ValueError(
            f"{name}: must be a number from {least:g} to {most:g}, "
            f"not {value!r}"
        )
    return number
