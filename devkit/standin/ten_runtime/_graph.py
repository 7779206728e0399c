"""Graph definitions: nodes and the connections between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._conversion import Conversion, read_conversion
from ._files import ConfigError, Problem, decode_json, find_nulls, unknown_keys
from ._manifest import IDENTIFIER
from ._tree import Tree

TEST_ADDON = "ten:test_extension"
FLOW_KINDS = ("cmd", "data", "audio_frame", "video_frame")
NODE_KEYS = ("type", "name", "addon", "extension_group", "app", "property")
GRAPH_KEYS = (
    "nodes",
    "connections",
    "exposed_messages",
    "exposed_properties",
)


@dataclass(frozen=True)
class NodeSpec:
    """A node as the graph describes it."""

    name: str
    addon: str
    group: str = "default_extension_group"
    properties: Tree = field(default_factory=dict)
    json_path: str = "$"


@dataclass(frozen=True)
class Destination:
    """Where a message goes, and how it changes on the way."""

    node: str
    conversion: Conversion | None = None


@dataclass
class Graph:
    """Nodes by name, and routes by (kind, message name, sending node)."""

    nodes: dict[str, NodeSpec] = field(default_factory=dict)
    routes: dict[tuple[str, str, str], list[Destination]] = field(
        default_factory=dict
    )
    sync_stop: bool = False


def graph_from_json(text: str, where: str) -> Graph:
    """Parse JSON text; raises :class:`ConfigError`."""
    value = decode_json(text, where)
    problems: list[Problem] = []
    graph = read_graph(value, "$", problems)
    if problems:
        raise ConfigError(where, problems)
    return graph


def read_graph(value: Any, path: str, problems: list[Problem]) -> Graph:
    """Read a graph object, adding what is wrong to ``problems``."""
    reader = _Reader(problems)
    reader.read(value, path)
    return reader.graph


class _Reader:
    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.graph = Graph()

    def complain(self, path: str, text: str) -> None:
        self.problems.append(Problem(path, text))

    def read(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self.complain(path, "must be an object with nodes and connections")
            return
        self.problems += unknown_keys(value, GRAPH_KEYS, path)
        for index, item in self.items(value, "nodes", path):
            self.node(item, index)
        for index, item in self.items(value, "connections", path):
            self.connection(item, index)

    def items(
        self, value: dict[str, Any], key: str, path: str
    ) -> list[tuple[str, Any]]:
        listed = value.get(key, [])
        if not isinstance(listed, list):
            self.complain(f"{path}.{key}", "must be an array")
            return []
        return [(f"{path}.{key}[{i}]", item) for i, item in enumerate(listed)]

    def text(self, value: dict[str, Any], key: str, path: str) -> str | None:
        found = value.get(key)
        if isinstance(found, str) and found:
            return found
        self.complain(f"{path}.{key}", "required, must be a non-empty string")
        return None

    def node(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self.complain(path, "must be an object")
            return
        kind = value.get("type")
        if kind in ("subgraph", "selector"):
            text = f"{kind} nodes are not supported by the stand-in host"
            self.complain(f"{path}.type", f"{text}; allowed is extension")
            return
        if kind != "extension":
            self.complain(f"{path}.type", "must be 'extension'")
            return
        self.problems += unknown_keys(value, NODE_KEYS, path)
        name = self.text(value, "name", path)
        addon = self.text(value, "addon", path)
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
        if not isinstance(properties, dict):
            self.complain(f"{path}.property", "must be an object")
            properties = {}
        self.problems += find_nulls(properties, f"{path}.property")
        group = value.get("extension_group", "default_extension_group")
        self.graph.nodes[name] = NodeSpec(
            name, addon, str(group), properties, path
        )

    def connection(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self.complain(path, "must be an object")
            return
        self.problems += unknown_keys(
            value, ("extension", "app", *FLOW_KINDS), path
        )
        name = self.known_node(value, path)
        for kind in FLOW_KINDS:
            for where, flow in self.items(value, kind, path):
                self.flow(name, kind, flow, where)

    def known_node(self, value: dict[str, Any], path: str) -> str | None:
        name = self.text(value, "extension", path)
        if name is None or name in self.graph.nodes:
            return name
        known = ", ".join(self.graph.nodes) or "none"
        text = f"there is no node {name!r}; the nodes are {known}"
        self.complain(f"{path}.extension", text)
        return None

    def flow(self, node: str | None, kind: str, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            self.complain(path, "must be an object")
            return
        self.problems += unknown_keys(
            value, ("name", "names", "dest", "source"), path
        )
        names = self.names(value, path)
        if ("dest" in value) == ("source" in value):
            self.complain(path, 'needs exactly one of "dest" and "source"')
            return
        way = "dest" if "dest" in value else "source"
        ends = self.items(value, way, path)
        if not ends:
            self.complain(f"{path}.{way}", "must be a non-empty array")
        for where, end in ends:
            if not isinstance(end, dict):
                self.complain(where, 'must be {"extension": …}')
                continue
            allowed = ["extension", "app"]
            if way == "dest":
                allowed.append("msg_conversion")
            self.problems += unknown_keys(end, allowed, where)
            other = self.known_node(end, where)
            conversion = self.conversion(end, value, where)
            if node is None or other is None:
                continue
            sender, receiver = (node, other) if way == "dest" else (other, node)
            self.add_routes(kind, names, sender, receiver, conversion)

    def names(self, value: dict[str, Any], path: str) -> list[str]:
        if ("name" in value) == ("names" in value):
            self.complain(path, 'needs exactly one of "name" and "names"')
            return []
        listed = value["names"] if "names" in value else [value["name"]]
        if (
            isinstance(listed, list)
            and listed
            and all(isinstance(name, str) and name for name in listed)
        ):
            return listed
        key = "names" if "names" in value else "name"
        text = "must be a message name"
        if key == "names":
            text = "must be a non-empty array of message names"
        self.complain(f"{path}.{key}", text)
        return []

    def conversion(
        self, end: dict[str, Any], flow: dict[str, Any], path: str
    ) -> Conversion | None:
        if "msg_conversion" not in end:
            return None
        where = f"{path}.msg_conversion"
        if "names" in flow:
            self.complain(where, 'not allowed together with "names"')
        return read_conversion(end["msg_conversion"], where, self.problems)

    def add_routes(
        self,
        kind: str,
        names: list[str],
        sender: str,
        receiver: str,
        conversion: Conversion | None,
    ) -> None:
        for name in names:
            ends = self.graph.routes.setdefault((kind, name, sender), [])
            # The same way said twice (dest here, source there) is one way.
            if all(end.node != receiver for end in ends):
                ends.append(Destination(receiver, conversion))
