"""Dataclasses filled from an extension's properties."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from ten_runtime import AsyncTenEnv, TenEnv

ConfigT = TypeVar("ConfigT", bound="BaseConfig")


@dataclass
class BaseConfig:
    """Derive a dataclass; its fields are the properties that are read."""

    @classmethod
    def create(cls: type[ConfigT], ten_env: TenEnv) -> ConfigT:
        """A config from a synchronous environment."""
        config = cls()
        text, error = ten_env.get_property_to_json("")
        config.update(json.loads(text) if error is None else {})
        return config

    @classmethod
    async def create_async(cls: type[ConfigT], ten_env: AsyncTenEnv) -> ConfigT:
        """A config from an asynchronous environment."""
        config = cls()
        text, error = await ten_env.get_property_to_json("")
        config.update(json.loads(text) if error is None else {})
        return config

    def update(self, configs: dict[str, Any]) -> None:
        """Take over the keys that are fields."""
        names = {field.name for field in fields(self)}
        for key, value in configs.items():
            if key in names:
                setattr(self, key, value)
