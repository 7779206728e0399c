"""Graph definitions: nodes and the connections between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._files import Checker, ConfigError, decode_json, find_nulls
from ._manifest import IDENTIFIER
from ._tree import Tree

TEST_ADDON = "ten:test_extension"
FLOW_KINDS = ("cmd", "data", "audio_frame", "video_frame")
NODE_KEYS = ("type", "name", "addon", "extension_group", "app", "property")
GRAPH_KEYS = ("nodes", "connections", "exposed_messages", "exposed_properties")


@dataclass(frozen=True)
class NodeSpec:
    """A node as the graph describes it."""

    name: str
    addon: str
    group: str = "default_extension_group"
    properties: Tree = field(default_factory=dict)
    json_path: str = "$"


@dataclass
class Graph:
    """Nodes by name; receiving nodes by (kind, message name, sender)."""

    nodes: dict[str, NodeSpec] = field(default_factory=dict)
    routes: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    sync_stop: bool = False


def graph_from_json(text: str, where: str) -> Graph:
    """Parse JSON text; raises :class:`ConfigError`."""
    value = decode_json(text, where)
    check = Checker()
    graph = read_graph(value, "$", check)
    if check.problems:
        raise ConfigError(where, check.problems)
    return graph


def read_graph(value: Any, path: str, check: Checker) -> Graph:
    """Read a graph object; ``check`` gets to know what is wrong."""
    reader = _Reader(check)
    text = "must be an object with nodes and connections"
    if check.is_object(value, path, GRAPH_KEYS, text):
        for where, item in check.items(value, "nodes", path):
            reader.node(item, where)
        for where, item in check.items(value, "connections", path):
            reader.connection(item, where)
    return reader.graph


class _Reader:
    def __init__(self, check: Checker) -> None:
        self.check = check
        self.complain = check.complain
        self.graph = Graph()

    def node(self, value: Any, path: str) -> None:
        if not self.check.is_object(value, path):
            return
        kind = value.get("type")
        if kind in ("subgraph", "selector"):
            text = f"{kind} nodes are not supported by the stand-in host"
            self.complain(f"{path}.type", f"{text}; allowed is extension")
            return
        if kind != "extension":
            self.complain(f"{path}.type", "must be 'extension'")
            return
        self.check.keys(value, NODE_KEYS, path)
        name = self.check.text(value, "name", path)
        addon = self.check.text(value, "addon", path)
        if name is None or addon is None:
            return
        if name in self.graph.nodes:
            text = f"duplicate node {name!r}; node names must differ"
            self.complain(f"{path}.name", text)
            return
        # A tester's single-mode node carries its addon's name, colon and all.
        if addon != TEST_ADDON and not IDENTIFIER.match(name):
            self.complain(f"{path}.name", "must be an identifier")
        properties = value.get("property", {})
        if not self.check.is_object(properties, f"{path}.property"):
            properties = {}
        self.check.problems += find_nulls(properties, f"{path}.property")
        group = value.get("extension_group", "default_extension_group")
        self.graph.nodes[name] = NodeSpec(
            name, addon, str(group), properties, path
        )

    def connection(self, value: Any, path: str) -> None:
        keys = ("extension", "app", *FLOW_KINDS)
        if not self.check.is_object(value, path, keys):
            return
        name = self.known_node(value, path)
        for kind in FLOW_KINDS:
            for where, flow in self.check.items(value, kind, path):
                self.flow(name, kind, flow, where)

    def known_node(self, value: dict[str, Any], path: str) -> str | None:
        name = self.check.text(value, "extension", path)
        if name is None or name in self.graph.nodes:
            return name
        known = ", ".join(self.graph.nodes) or "none"
        text = f"there is no node {name!r}; the nodes are {known}"
        self.complain(f"{path}.extension", text)
        return None

    def flow(self, node: str | None, kind: str, value: Any, path: str) -> None:
        keys = ("name", "names", "dest", "source")
        if not self.check.is_object(value, path, keys):
            return
        names = self.names(value, path)
        if ("dest" in value) == ("source" in value):
            self.complain(path, 'needs exactly one of "dest" and "source"')
            return
        way = "dest" if "dest" in value else "source"
        ends = self.check.items(value, way, path)
        if not ends:
            self.complain(f"{path}.{way}", "must be a non-empty array")
        for where, end in ends:
            other = self.end(end, where)
            if node is not None and other is not None:
                pair = (node, other) if way == "dest" else (other, node)
                self.add_routes(kind, names, *pair)

    def end(self, value: Any, path: str) -> str | None:
        text = 'must be {"extension": …}'
        if not self.check.is_object(value, path, text=text):
            return None
        if "msg_conversion" in value:
            text = "is not supported by the stand-in host"
            self.complain(f"{path}.msg_conversion", text)
            return None
        self.check.keys(value, ("extension", "app"), path)
        return self.known_node(value, path)

    def names(self, value: dict[str, Any], path: str) -> list[str]:
        if ("name" in value) == ("names" in value):
            self.complain(path, 'needs exactly one of "name" and "names"')
            return []
        key, listed = "name", [value.get("name")]
        text = "must be a message name"
        if "names" in value:
            key, listed = "names", value["names"]
            text = "must be a non-empty array of message names"
        if (
            isinstance(listed, list)
            and listed
            and all(isinstance(name, str) and name for name in listed)
        ):
            return listed
        self.complain(f"{path}.{key}", text)
        return []

    def add_routes(
        self, kind: str, names: list[str], sender: str, receiver: str
    ) -> None:
        for name in names:
            ends = self.graph.routes.setdefault((kind, name, sender), [])
            # The same way said twice (dest here, source there) is one way.
            if receiver not in ends:
                ends.append(receiver)
