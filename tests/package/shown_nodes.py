"""The nodes and blocks of JSON that pages show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asr_call import ADDON

KEY = "sk-test-0123456789"
_FENCE = re.compile(r"^```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_URL_KEYS = ("base_url", "url", "websocket_base_url")


def blocks_of(page: Path) -> list[Any]:
    """Each ```json block of a page; one may be a part of an object."""
    found = []
    for block in _FENCE.findall(page.read_text(encoding="utf-8")):
        whole = block.lstrip().startswith(("{", "["))
        found.append(json.loads(block if whole else f"{{{block}}}"))
    return found


def nodes_in(value: Any) -> Iterator[dict[str, Any]]:
    """Our nodes' properties, at any depth."""
    if isinstance(value, list):
        for inner in value:
            yield from nodes_in(inner)
    elif isinstance(value, dict):
        if value.get("addon") == ADDON:
            yield value["property"]
        elif "params" in value:
            yield value
        else:
            for inner in value.values():
                yield from nodes_in(inner)


def directed_to(url: str, example: dict[str, Any]) -> dict[str, Any]:
    """The property ``example`` with ``url`` for the service's."""
    top = {k: v for k, v in example.items() if k not in _URL_KEYS}
    params = {
        k: v for k, v in example.get("params", {}).items() if k not in _URL_KEYS
    }
    if "url" not in json.dumps(example):
        # The payload of an `update_configs` has no key either.
        params.setdefault("api_key", KEY)
    return {**top, "params": {**params, "base_url": url}}
