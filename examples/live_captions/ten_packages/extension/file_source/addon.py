"""Registers the file source extension with TEN."""

from ten_runtime import Addon, TenEnv, register_addon_as_extension

from .extension import FileSourceExtension


@register_addon_as_extension("file_source")
class FileSourceAddon(Addon):
    """Creates one `FileSourceExtension` for each graph node."""

    def on_create_instance(
        self, ten_env: TenEnv, name: str, context: object
    ) -> None:
        ten_env.on_create_instance_done(FileSourceExtension(name), context)
