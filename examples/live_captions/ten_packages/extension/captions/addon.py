"""Registers the captions extension with TEN."""

from ten_runtime import Addon, TenEnv, register_addon_as_extension

from .extension import CaptionsExtension


@register_addon_as_extension("captions")
class CaptionsAddon(Addon):
    """Creates one `CaptionsExtension` for each graph node."""

    def on_create_instance(
        self, ten_env: TenEnv, name: str, context: object
    ) -> None:
        ten_env.on_create_instance_done(CaptionsExtension(name), context)
