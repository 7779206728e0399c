"""Making the extension instance of a node."""

from __future__ import annotations

from pathlib import Path

from ._driver import AsyncDriver, SyncDriver
from ._engine import CreationError, Engine
from ._files import ConfigError
from ._node import Node
from ._owner import EnvOwner
from ._package import load_package
from .addon_manager import AddonImportError, _AddonManager
from .async_extension import AsyncExtension
from .async_ten_env import AsyncTenEnv
from .extension import Extension
from .global_thread_manager import thread_manager
from .ten_env import Creation, TenEnv


def create_extension(
    engine: Engine, node: Node, app_dir: Path | None = None
) -> None:
    """Give ``node`` its extension; raises :class:`CreationError`."""
    addon_name = node.spec.addon
    try:
        registered = _AddonManager._use(addon_name)
        package = load_package(registered.directory, app_dir)
    except (AddonImportError, ConfigError) as error:
        raise CreationError(str(error)) from error
    creation = Creation()
    env = TenEnv(EnvOwner(f"addon {addon_name}"))
    try:
        registered.addon.on_create_instance(env, node.name, creation)
    except Exception as error:
        raise CreationError(
            f"on_create_instance of addon {addon_name!r}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not creation.wait():
        text = f"addon {addon_name!r} never called on_create_instance_done"
        raise CreationError(text)
    node.defaults = package.properties
    node.api = package.api
    _attach(engine, node, creation.instance)


def _attach(engine: Engine, node: Node, instance: object) -> None:
    if isinstance(instance, AsyncExtension):
        thread = thread_manager.acquire()
        node.driver = AsyncDriver(
            node, instance, AsyncTenEnv(node), thread, thread_manager.release
        )
    elif isinstance(instance, Extension):
        worker = engine.worker(node.spec.group)
        # The graph stops its groups' threads itself.
        node.driver = SyncDriver(
            node, instance, TenEnv(node), worker, lambda: None
        )
    else:
        raise CreationError(
            f"addon {node.spec.addon!r} made a {type(instance).__name__}, "
            "which is neither an Extension nor an AsyncExtension"
        )
