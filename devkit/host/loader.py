"""Reads an app directory and finds all that is wrong before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ten_runtime._app import Graphs, PredefinedGraph, read_graphs
from ten_runtime._files import (
    Checker,
    ConfigError,
    Problem,
    find_nulls,
    read_json_object,
)
from ten_runtime._graph import NodeSpec
from ten_runtime._manifest import ManifestReader
from ten_runtime._package import Package, load_package
from ten_runtime._placeholder import UnresolvedPlaceholder, resolve
from ten_runtime._tree import merge
from ten_runtime.addon_manager import AddonImportError, _AddonManager

from devkit.bootstrap import register_package

#: Keys of ``ten`` in an app's property.json. Logging is the host's own.
TEN_KEYS = (
    "predefined_graphs",
    "log",
    "uri",
    "log_level",
    "log_file",
    "one_event_loop_per_engine",
    "long_running_mode",
    "telemetry",
    "services",
)


@dataclass
class LoadedApp:
    """A checked app; ``errors`` has one line for each thing wrong."""

    directory: Path
    graphs: Graphs = field(default_factory=dict)
    packages: dict[str, Package] = field(default_factory=dict)
    selected: list[PredefinedGraph] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def load_app(directory: Path, graph: str | None) -> LoadedApp:
    """Read and check the app, and import the addons that it will run.

    ``graph``: the predefined graph to select (None: all with auto_start).
    """
    loader = _Loader(directory)
    loader.load(graph)
    return loader.app


class _Loader:
    def __init__(self, directory: Path) -> None:
        self.app = LoadedApp(directory)
        self.properties = directory / "property.json"
        self._seen: set[Path] = set()

    def load(self, graph: str | None) -> None:
        directory = self.app.directory
        if not directory.is_dir():
            self.complain(directory, "$", "there is no such directory")
            return
        self._read_manifest(directory / "manifest.json", "app")
        self._read_installed(directory / "ten_packages" / "extension")
        # A package that could not be read would only look like a missing one.
        self._read_properties(know_packages=not self.app.errors)
        if self.app.errors:
            return
        self._select(graph)
        for node in self._selected_nodes():
            self._check_node(node)
        if not self.app.errors:
            self._import_addons()

    def _selected_nodes(self) -> Iterator[NodeSpec]:
        for predefined in self.app.selected:
            yield from predefined.graph.nodes.values()

    def complain(self, path: Path, json_path: str, text: str) -> None:
        self._add(ConfigError.of(path, text, json_path))

    def _add(self, error: ConfigError) -> None:
        for line in error.lines():
            if line not in self.app.errors:
                self.app.errors.append(line)

    # Packages -------------------------------------------------------------

    def _read_manifest(self, path: Path, kind: str) -> None:
        """Check a manifest and read its path dependencies."""
        try:
            reader = ManifestReader(path, self.app.directory)
            if kind == "app":
                reader.read("app")
            local = reader.dependencies()
        except ConfigError as error:
            self._add(error)
            return
        for json_path, value in local:
            directory = (path.parent / value).resolve()
            if not (directory / "manifest.json").is_file():
                text = f"no package (no manifest.json) in {directory}"
                self.complain(path, f"{json_path}.path", text)
            else:
                self._read_package(directory)

    def _read_installed(self, parent: Path) -> None:
        if not parent.is_dir():
            return
        for directory in sorted(parent.iterdir()):
            if not directory.is_dir() or directory.name.startswith((".", "__")):
                continue
            name = self._read_package(directory)
            if name is not None and name != directory.name:
                text = (
                    f"is {name!r}, must be the folder's name {directory.name!r}"
                )
                self.complain(directory / "manifest.json", "$.name", text)

    def _read_package(self, directory: Path) -> str | None:
        real = directory.resolve()
        if real in self._seen:
            return None
        self._seen.add(real)
        manifest = directory / "manifest.json"
        try:
            name = read_json_object(manifest).get("name")
            package = load_package(directory, self.app.directory)
        except ConfigError as error:
            self._add(error)
            return None
        assert isinstance(name, str)
        if name in self.app.packages:
            other = self.app.packages[name].directory
            text = f"package {name!r} is also in {other}; names must differ"
            self.complain(manifest, "$.name", text)
            return name
        self.app.packages[name] = package
        self._read_manifest(manifest, "extension")
        return name

    # Graphs ---------------------------------------------------------------

    def _read_properties(self, know_packages: bool) -> None:
        try:
            tree = read_json_object(self.properties)
        except ConfigError as error:
            self._add(error)
            return
        check = Checker()
        check.problems += find_nulls(tree, "$")
        ten = tree.get("ten")
        if isinstance(ten, dict):
            check.keys(ten, TEN_KEYS, "$.ten")
        self.app.graphs = read_graphs(tree, check)
        known = ", ".join(sorted(self.app.packages)) or "none"
        for predefined in self.app.graphs.values():
            for node in predefined.graph.nodes.values():
                if know_packages and node.addon not in self.app.packages:
                    text = f"unknown addon {node.addon!r}; the app has {known}"
                    check.complain(f"{node.json_path}.addon", text)
        for problem in check.problems:
            self.complain(self.properties, problem.json_path, problem.text)

    def _select(self, name: str | None) -> None:
        graphs = self.app.graphs
        known = ", ".join(graphs) or "none"
        at = "$.ten.predefined_graphs"
        if name is None:
            self.app.selected = [g for g in graphs.values() if g.auto_start]
            if not self.app.selected:
                text = (
                    'no graph has "auto_start": true; '
                    f"allowed with --graph: {known}"
                )
                self.complain(self.properties, at, text)
        elif name in graphs:
            self.app.selected = [graphs[name]]
        else:
            text = f"there is no graph {name!r}; the graphs are {known}"
            self.complain(self.properties, at, text)

    def _check_node(self, node: NodeSpec) -> None:
        """Merge, resolve and validate as the node itself will."""
        package = self.app.packages[node.addon]
        try:
            tree = resolve(merge(package.properties, node.properties))
        except UnresolvedPlaceholder as error:
            self._complain_about(node, package, error.problem)
            return
        problem = package.api.properties.adjust_object(tree, "")
        if problem is not None:
            path, _, text = problem.partition(": ")
            self._complain_about(node, package, Problem(f"$.{path}", text))

    def _complain_about(
        self, node: NodeSpec, package: Package, problem: Problem
    ) -> None:
        """Name the file that the value stands in: graph or package."""
        keys = problem.json_path.removeprefix("$.").split(".")
        default = package.directory / "property.json"
        if not _has(node.properties, keys) and default.is_file():
            self.complain(default, problem.json_path, problem.text)
            return
        path = f"{node.json_path}.property.{'.'.join(keys)}"
        self.complain(self.properties, path, problem.text)

    def _import_addons(self) -> None:
        for name, package in self.app.packages.items():
            register_package(name, package.directory)
        for node in self._selected_nodes():
            try:
                _AddonManager._use(node.addon)
            except AddonImportError as error:
                directory = self.app.packages[node.addon].directory
                self.complain(directory, "$", str(error))


def _has(tree: Any, keys: list[str]) -> bool:
    for key in keys:
        name = key.partition("[")[0]
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True
