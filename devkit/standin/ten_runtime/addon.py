"""Addons make extension instances."""

from __future__ import annotations

from .ten_env import TenEnv


class Addon:
    """Override ``on_create_instance``."""

    def on_create_instance(
        self, ten_env: TenEnv, name: str, context: object
    ) -> None:
        """Make the instance for node ``name`` and hand it over.

        It must end in ``ten_env.on_create_instance_done(instance, context)``.
        """
        raise NotImplementedError
