"""The node whose configuration is looked at: a graph's, or a bare property."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ten_runtime._files import ConfigError, read_json_object

from devkit.usage import UsageError

from .checks import Check
from .machine import ROOT

ADDON = "openai_asr_python"
_OWN_PACKAGE = Path("ten_packages") / "extension" / ADDON
_PROPERTY = "property.json"
#: No app's is as large, in bytes.
_MOST_BYTES = 4 * 1024 * 1024
#: Of what an app says of itself, beside its graphs.
_OF_APPS = ("uri", "log", "predefined_graphs", "one_event_loop_per_engine")


@dataclass(frozen=True)
class Node:
    """``properties`` as the graph or the file has them, placeholders and all;
    ``base`` is what they stand over: the package's property.json.

    ``where`` says it to people.  ``graph`` is the graph that it stands in.
    """

    properties: Any
    base: Any
    where: str
    name: str = ""
    graph: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """A node of ours in a graph of this name."""

    graph_name: str
    graph: Mapping[str, Any]
    node: Mapping[str, Any]

    def __str__(self) -> str:
        return f"--graph {self.graph_name} --node {self.node.get('name')}"


def find_node(path: str | None, graph: str = "", node: str = "") -> Node:
    """What a user means; raises `UsageError`.

    ``path``: a TEN app's property.json or directory, a graph, a node, a node's
    property, or None for the package's own property.json.
    """
    if path is None:
        if graph or node:
            raise UsageError(
                "--graph, --node: need the property.json of an app"
            )
        base = _read(ROOT / _PROPERTY)
        return Node({}, base, "the package's own property.json")
    file = _file(path)
    content = _read(file)
    if isinstance(content.get("type"), str) and "version" in content:
        raise UsageError(f"{file}: is a manifest; {_PROPERTY} is what counts")
    base = _base_of(file.parent)
    found = list(_graphs(content, file))
    if not found and not (
        isinstance(content.get("ten"), dict) and _app(content)
    ):
        if graph or node:
            raise UsageError(f"--graph, --node: {file}: has no graph")
        if content.get("addon") == ADDON:
            # One node by itself.
            content = content.get("property", {})
        return Node(content, base, str(file))
    chosen = _choose(file, found, graph, node)
    name = str(chosen.node.get("name"))
    return Node(
        chosen.node.get("property", {}),
        base,
        f"{file}, graph {chosen.graph_name}, node {name}",
        name,
        chosen.graph,
    )


def _file(path: str) -> Path:
    """The file itself, or that of a directory."""
    try:
        file = Path(path).expanduser()
        return file / _PROPERTY if file.is_dir() else file
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read: {reason}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.is_file() and file.stat().st_size > _MOST_BYTES:
            most = _MOST_BYTES >> 20
            raise UsageError(f"{file}: is larger than {most} MB")
        return read_json_object(file)
    except ConfigError as error:
        problem = error.problems[0]
        place = "" if problem.json_path == "$" else f"{problem.json_path}: "
        raise UsageError(f"{file}: {place}{problem.text}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{file}: cannot be read: {reason}") from None


def _base_of(directory: Path) -> dict[str, Any]:
    """The package's defaults: of the app's copy of it, or of this one."""
    own = directory / _OWN_PACKAGE / _PROPERTY
    return _read(own if own.is_file() else ROOT / _PROPERTY)


def _app(content: Mapping[str, Any]) -> bool:
    return any(key in _OF_APPS for key in content["ten"])


# -- graphs -------------------------------------------------------------------


def _graphs(
    content: Mapping[str, Any], file: Path
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and contents of each graph in a file."""
    if isinstance(content.get("nodes"), list):
        yield file.stem, content
    elif isinstance(content.get("graph"), dict):
        yield str(content.get("name", file.stem)), _graph(content, file)
    ten = content.get("ten", content)
    listed = ten.get("predefined_graphs") if isinstance(ten, dict) else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict):
            yield str(entry.get("name", "")), _graph(entry, file)


def _graph(entry: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    graph = entry.get("graph", entry)
    if not isinstance(graph, dict):
        return {}
    other = graph.get("import_uri")
    if isinstance(other, str) and "://" not in other:
        return _read(file.parent / other)
    return graph


def _choose(
    file: Path,
    graphs: list[tuple[str, Mapping[str, Any]]],
    graph: str,
    node: str,
) -> _Found:
    """The only node of ours that fits."""
    names = list(dict.fromkeys(name for name, _ in graphs))
    if graph and graph not in names:
        listed = ", ".join(names) or "none"
        raise UsageError(f"--graph: {file}: has no {graph}; it has: {listed}")
    nodes = [
        _Found(name, contents, one)
        for name, contents in graphs
        for one in _nodes(contents)
        if graph in ("", name)
    ]
    ours = [found for found in nodes if found.node.get("addon") == ADDON]
    if not ours:
        addons = {str(found.node.get("addon")) for found in nodes}
        listed = ", ".join(sorted(addons)) or "none"
        raise UsageError(
            f"{file}: no node has the addon {ADDON}; there are: {listed}"
        )
    fitting = [f for f in ours if node in ("", str(f.node.get("name")))]
    if len(fitting) == 1:
        return fitting[0]
    listed = "; ".join(map(str, fitting or ours))
    if not fitting:
        raise UsageError(
            f"--node: {file}: no node {node} has the addon {ADDON};"
            f" there are: {listed}"
        )
    raise UsageError(
        f"{file}: has {len(fitting)} nodes of {ADDON}; choose one: {listed}"
    )


def _nodes(graph: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _objects(graph.get("nodes"))


def _objects(value: Any) -> list[Mapping[str, Any]]:
    listed = value if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, dict)]


# -- what comes and goes ------------------------------------------------------


def check_graph(node: Node) -> Check:
    """Does audio come to the node, and does anybody get its results?"""
    nodes = [one.get("type") for one in _nodes(node.graph)]
    if {"subgraph", "selector"} & {str(kind) for kind in nodes}:
        text = "has subgraphs or selectors, which are not looked into"
        return Check("graph", "skipped", text, "see that pcm_frame comes")
    ways = list(_ways(node.graph))
    sources = [a for k, n, a, b in ways if (k, n, b) == _audio_to(node)]
    results = [b for k, n, a, b in ways if (k, n, a) == _text_of(node)]
    data = {"pcm_frame_from": sources, "asr_result_to": results}
    known = {one.get("name") for one in _nodes(node.graph)}
    missing = [
        f"{name} is connected to {node.name}, and is no node of the graph"
        for name in dict.fromkeys(sources + results)
        if name not in known
    ]
    if not sources:
        missing.append(
            f"no connection brings audio frames pcm_frame to {node.name}"
        )
    if not results:
        missing.append(f"nobody gets the data asr_result of {node.name}")
    if missing:
        return Check(
            "graph",
            "warning",
            "; ".join(missing),
            "add it to the graph's connections, unless it is made in another"
            " way (a start_graph command, an app in C)",
            data=data,
        )
    text = (
        f"pcm_frame comes from {', '.join(sources)}, asr_result goes to"
        f" {', '.join(results)}"
    )
    return Check("graph", "ok", text, data=data)


def _audio_to(node: Node) -> tuple[str, str, str]:
    return "audio_frame", "pcm_frame", node.name


def _text_of(node: Node) -> tuple[str, str, str]:
    return "data", "asr_result", node.name


def _ways(graph: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Kind and name of a message, who sends it, and who gets it."""
    for connection in _objects(graph.get("connections")):
        here = str(connection.get("extension"))
        for kind in ("audio_frame", "data"):
            for flow in _objects(connection.get(kind)):
                names = flow.get("names")
                several = names if isinstance(names, list) else []
                for name in map(str, [flow.get("name"), *several]):
                    for end in _objects(flow.get("dest")):
                        yield kind, name, here, str(end.get("extension"))
                    for end in _objects(flow.get("source")):
                        yield kind, name, str(end.get("extension")), here
