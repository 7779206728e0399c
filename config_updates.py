"""What ``update_configs`` makes of the configuration, command by command.

Nothing here waits: `extension` asks the service, and tells how it went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .config import LOCAL_FIELDS, OpenAIASRConfig
from .config_loading import load_config, updated_properties


@dataclass(frozen=True)
class Version:
    """A valid configuration, and the properties that it comes from."""

    properties: Mapping[str, Any]
    config: OpenAIASRConfig
    warnings: list[str]

    @classmethod
    def load(cls, properties: Mapping[str, Any]) -> Version:
        """Raises `ConfigError`."""
        return cls(properties, *load_config(properties))

    def updated(self, payload: Mapping[str, Any]) -> Version:
        """This one with ``payload`` over it; raises `ConfigError`."""
        return Version.load(updated_properties(self.properties, payload))


class ConfigUpdates:
    """The configuration in force, and the one that is asked for.

    ``properties`` are those in force, valid or not.  ``waiting`` counts the
    commands that wait for their turn.
    """

    def __init__(self) -> None:
        self.properties: Mapping[str, Any] = {}
        self.waiting = 0
        self._under_way: Version | None = None
        self._overtaking: list[Mapping[str, Any]] = []

    @property
    def place(self) -> int:
        """Of a command that has to wait: what `begin` wants to know."""
        return len(self._overtaking)

    def overtake(
        self, payload: Mapping[str, Any], config: OpenAIASRConfig
    ) -> Version | None:
        """Put a command in force that has nothing to do with the service,
        and so need not wait for one that has.

        ``config`` is the one that the call works by.  Returns what it works
        by from now on; None where it is not such a command.  Raises
        `ConfigError`.
        """
        if not LOCAL_FIELDS.issuperset(
            updated_properties({}, payload)["params"]
        ):
            return None
        in_force = Version.load(self.properties).updated(payload)
        asked, works_by_it = self._under_way, False
        if asked is not None:
            works_by_it = asked.config is config
            asked = asked.updated(payload)
        self.properties, self._under_way = in_force.properties, asked
        if self.waiting or asked is not None:
            self._overtaking.append(payload)
        return asked if works_by_it else in_force

    def begin(self, payload: Mapping[str, Any], place: int) -> Version:
        """It is this command's turn; raises `ConfigError`.

        What overtook it since ``place`` was asked for later, and holds.
        """
        version = Version.load(updated_properties(self.properties, payload))
        for later in self._overtaking[place:]:
            version = version.updated(later)
        self._under_way = version
        return version

    def end(self, applied: bool) -> Version:
        """The answer to that is there; returns what it has become."""
        version, self._under_way = self._under_way, None
        assert version is not None
        if not self.waiting:
            self._overtaking.clear()
        if applied:
            self.properties = version.properties
        return version
