"""Where a message comes from or goes to."""

from __future__ import annotations


class Loc:
    """Address of an app, a graph or an extension.

    ``Loc("")`` is this app, ``Loc("", "", "name")`` an extension of this
    graph.
    """

    def __init__(
        self,
        app_uri: str | None = None,
        graph_id: str | None = None,
        extension_name: str | None = None,
    ) -> None:
        self.app_uri = app_uri
        self.graph_id = graph_id
        self.extension_name = extension_name

    def __repr__(self) -> str:
        return (
            f"Loc({self.app_uri!r}, {self.graph_id!r}, {self.extension_name!r})"
        )


def problem_of(loc: Loc) -> str | None:
    """What makes ``loc`` unusable as a destination, or None."""
    if loc.app_uri is None:
        return "a destination needs an app_uri (an empty one is this app)"
    if loc.extension_name is not None and loc.graph_id is None:
        return "an extension needs a graph_id (an empty one is this graph)"
    return None
