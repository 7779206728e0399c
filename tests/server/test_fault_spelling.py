"""How faults are spelled, checked, and left to seeded chance."""

from __future__ import annotations

from typing import Any

import pytest

from devkit.server import Faults
from devkit.server.faults import FaultDice, describe, parse_fault, parse_when


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("never", ("never", 0)),
        (True, ("always", 0)),
        (False, ("never", 0)),
        (3, ("once", 3)),
        ("every:2", ("every", 2)),
        ("session:1", ("session", 1)),
        ("p:0.25", ("p", 0.25)),
    ],
)
def test_when(text: str | int | bool, expected: tuple[str, float]) -> None:
    assert parse_when(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "every:0", "p:2", "p:x", "x"])
def test_when_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="fault failed"):
        Faults(failed=text)


def test_every_fault_can_be_given_on_the_command_line() -> None:
    for name in describe():
        values = {"refused_error": "server_error", "refused_status": "429"}
        values["failed_code"] = "rate_limit_exceeded"
        values["close_code"] = "4008"
        value = values.get(name, "true" if name.endswith("_close") else "1")
        parsed: Any
        parsed_name, parsed = parse_fault(f"{name.replace('_', '-')}={value}")
        assert parsed_name == name
        assert getattr(Faults(**{name: parsed}), name) == parsed
    assert parse_fault("failed") == ("failed", "always")
    assert parse_fault("server-error-close") == ("server_error_close", True)


@pytest.mark.parametrize(
    "text", ["nonsense", "slow_completed_ms=x", "server_error_close=maybe"]
)
def test_bad_fault_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        parse_fault(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"drop_rate": -1.0},
        {"refused_status": 200},
        {"failed_code": "x"},
        {"refused_error": "x"},
        {"close_code": 1006},
        {"close_code": 5000},
        {"close_reason": "ü" * 61},
    ],
)
def test_bad_setting_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Faults(**wrong)


def test_chance_is_seeded_and_independent() -> None:
    def draws(seed: int, other: bool) -> list[bool]:
        dice = FaultDice(seed)
        found = []
        for number in range(1, 60):
            if other:
                dice.strikes("late_delta", "p:0.5", number)
            found.append(dice.strikes("failed", "p:0.3", number))
        return found

    assert draws(1, False) == draws(1, True)
    assert draws(1, False) != draws(2, False)
    assert 5 < sum(draws(1, False)) < 35
    dice = FaultDice(1)
    two = [
        [dice.strikes(name, "p:0.5", number) for number in range(1, 60)]
        for name in ("failed", "late_delta")
    ]
    assert two[0] != two[1]
