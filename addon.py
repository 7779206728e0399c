"""Registers the extension with the TEN runtime."""

from __future__ import annotations

from ten_runtime import Addon, TenEnv, register_addon_as_extension

from .extension import OpenAIASRExtension


@register_addon_as_extension("openai_asr_python")
class OpenAIASRExtensionAddon(Addon):
    """Creates one extension for each graph node."""

    def on_create_instance(
        self, ten_env: TenEnv, name: str, context: object
    ) -> None:
        ten_env.on_create_instance_done(OpenAIASRExtension(name), context)
