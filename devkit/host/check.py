"""What ``--check`` looks at beyond what keeps an app from running: whether the
nodes will understand their properties and each other."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ten_runtime._graph import Graph, NodeSpec
from ten_runtime._placeholder import resolve
from ten_runtime._tree import merge

from devkit.bootstrap import EXTENSION_PACKAGE

from .loader import LoadedApp

_PACKAGE = f"ten_packages.extension.{EXTENSION_PACKAGE}"


@dataclass
class Findings:
    """``errors``: what will not work; ``notes``: what there is; a line each.
    ``ours``: nodes with our extension."""

    ours: int = 0
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look_through(app: LoadedApp) -> Findings:
    """Look at the selected graphs of an app without errors."""
    found = Findings()
    for predefined in app.selected:
        graph = predefined.graph
        found.notes.append(
            f"graph {predefined.name}: {len(graph.nodes)} nodes,"
            f" {sum(map(len, graph.routes.values()))} connections"
        )
        for node in graph.nodes.values():
            if node.addon == EXTENSION_PACKAGE:
                _look_at_ours(app, node, found)
    found.errors += unknown_names(app)
    return found


def unknown_names(app: LoadedApp) -> list[str]:
    """Connections of the selected graphs for messages that an end of them
    does not know: nothing will ever come by them."""
    file = app.directory / "property.json"
    lines = []
    for predefined in app.selected:
        graph = predefined.graph
        where = next(iter(graph.nodes.values())).json_path
        at = f"{file}: {where.partition('.nodes')[0]}.connections"
        lines += [f"{at}: {text}" for text in _names(app, graph)]
    return lines


def _look_at_ours(app: LoadedApp, node: NodeSpec, found: Findings) -> None:
    """By the extension's own loader."""
    found.ours += 1
    config = importlib.import_module(f"{_PACKAGE}.config")
    loading = importlib.import_module(f"{_PACKAGE}.properties.loading")
    endpoint = importlib.import_module(f"{_PACKAGE}.service.endpoint")
    package = app.packages[node.addon]
    properties = resolve(merge(package.properties, node.properties))
    try:
        loaded, warnings = loading.load_config(properties)
    except config.ConfigError as error:
        at = f"{app.directory / 'property.json'}: {node.json_path}.property"
        found.errors.append(f"{at}: {error}")
        return
    request = loaded.input_audio_transcription
    found.notes.append(
        f"{node.name}: {request.model} at {endpoint.redacted_url(loaded.url)},"
        f" turns ended by {loaded.turn_owner}"
    )
    found.notes += [f"{node.name}: warning: {text}" for text in warnings]


def _names(app: LoadedApp, graph: Graph) -> Iterator[str]:
    """Messages that one end of a connection does not know, though its manifest
    names others of that kind."""
    for (kind, name, sender), receivers in graph.routes.items():
        ends = [(sender, "out", "sends")]
        ends += [(receiver, "in", "takes") for receiver in receivers]
        for node, way, verb in ends:
            package = app.packages[graph.nodes[node].addon]
            known = package.api.names.get(f"{kind}_{way}", ())
            if known and name not in known:
                listed = ", ".join(sorted(known))
                yield (
                    f"{node} {verb} no {kind} {name!r}; by its manifest it"
                    f" {verb} {listed}"
                )
