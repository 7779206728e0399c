"""``msg_conversion``: properties changed on the way along a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._files import Problem, unknown_keys
from ._tree import Tree, copy_tree, lookup, store


@dataclass(frozen=True)
class Rule:
    """Set ``path`` to ``value``, or to what stands at ``original_path``."""

    path: str
    value: Any = None
    original_path: str | None = None


@dataclass(frozen=True)
class Conversion:
    """Rules for a message; ``result`` has those for its result."""

    keep_original: bool
    rules: tuple[Rule, ...]
    result: Conversion | None = None

    def apply(self, props: Tree, name: str) -> tuple[Tree, str]:
        """New properties and name of a message."""
        new: Tree = copy_tree(props) if self.keep_original else {}
        for rule in self.rules:
            value = rule.value
            if rule.original_path == "ten.name":
                value = name
            elif rule.original_path is not None:
                value, error = lookup(props, rule.original_path)
                if error is not None:
                    continue
            if rule.path == "ten.name" and isinstance(value, str):
                name = value
            else:
                store(new, rule.path, copy_tree(value))
        return new, name


def read_conversion(
    value: Any, path: str, problems: list[Problem], nested: bool = False
) -> Conversion | None:
    """Read a conversion, adding what is wrong to ``problems``."""
    if not isinstance(value, dict):
        problems.append(Problem(path, "must be an object"))
        return None
    allowed = ["type", "keep_original", "rules"]
    if not nested:
        allowed.append("result")
    problems += unknown_keys(value, allowed, path)
    if value.get("type") != "per_property":
        problems.append(Problem(f"{path}.type", "must be 'per_property'"))
    rules = value.get("rules")
    if not isinstance(rules, list) or not rules:
        problems.append(Problem(f"{path}.rules", "must be a non-empty array"))
        return None
    result = None
    if "result" in value:
        result = read_conversion(
            value["result"], f"{path}.result", problems, nested=True
        )
    read = [
        _rule(rule, f"{path}.rules[{index}]", problems)
        for index, rule in enumerate(rules)
    ]
    return Conversion(
        bool(value.get("keep_original", False)),
        tuple(rule for rule in read if rule is not None),
        result,
    )


def _rule(value: Any, path: str, problems: list[Problem]) -> Rule | None:
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        problems.append(Problem(path, 'must be an object with a "path"'))
        return None
    mode = value.get("conversion_mode")
    if mode == "fixed_value" and "value" in value:
        allowed = ("path", "conversion_mode", "value")
        problems += unknown_keys(value, allowed, path)
        return Rule(value["path"], value=value["value"])
    original = value.get("original_path")
    if mode == "from_original" and isinstance(original, str):
        allowed = ("path", "conversion_mode", "original_path")
        problems += unknown_keys(value, allowed, path)
        return Rule(value["path"], original_path=original)
    problems.append(
        Problem(
            f"{path}.conversion_mode",
            'must be "fixed_value" with "value" or "from_original" '
            'with "original_path"',
        )
    )
    return None
