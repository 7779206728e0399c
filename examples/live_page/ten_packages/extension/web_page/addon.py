"""Registers the web page extension with TEN."""

from ten_runtime import Addon, TenEnv, register_addon_as_extension

from .extension import WebPageExtension


@register_addon_as_extension("web_page")
class WebPageAddon(Addon):
    """Creates one `WebPageExtension` for each graph node."""

    def on_create_instance(
        self, ten_env: TenEnv, name: str, context: object
    ) -> None:
        ten_env.on_create_instance_done(WebPageExtension(name), context)
