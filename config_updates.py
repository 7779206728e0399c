"""What ``update_configs`` makes of the configuration, command by command.

Nothing here waits: `extension` asks the service, and tells how it went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .call import stays_here
from .config import OpenAIASRConfig
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

    ``properties`` are those in force, valid or not; before the first valid
    ones nothing can be asked for.
    """

    def __init__(self) -> None:
        self.properties: Mapping[str, Any] = {}
        self._under_way: Version | None = None
        self._overtaking: list[Mapping[str, Any]] = []

    @property
    def place(self) -> int:
        """Of a command that has to wait: what `begin` wants to know."""
        return len(self._overtaking)

    def overtake(
        self, payload: Mapping[str, Any], config: OpenAIASRConfig
    ) -> Version | None:
        """Put a command in force that changes nothing for the service, and
        need not wait for one that does.

        ``config`` is the one that the call works by.  Returns what it works
        by from now on; None where the service has to be asked.  Raises
        `ConfigError`.
        """
        versions = [Version.load(self.properties)]
        asked = self._under_way
        if asked is not None:
            versions.append(asked)
        updated = [version.updated(payload) for version in versions]
        for old, new in zip(versions, updated, strict=True):
            if not stays_here(old.config, new.config):
                return None
        self.properties = updated[0].properties
        self._overtaking.append(payload)
        if asked is None:
            return updated[0]
        self._under_way = updated[1]
        return updated[config is asked.config]

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
        if applied:
            self.properties = version.properties
        return version
