"""What a careless or hostile peer may put where JSON allows a value."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: Few examples by default, so that the whole run stays short; the same every
#: time, so that a red run can be repeated.
quick = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def deep(levels: int) -> Any:
    """Lists and objects inside one another."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "a\x00b",
            "\ud800",
            "\u202e\u0007\x1b[31m",
            "😀" * 50,
            "x" * 20_000,
            "true",
            "1e400",
            "NaN",
            "-1",
            "0x10",
            "null",
            "../../etc",
            "wss://[::1",
            "ws://127.0.0.1:99999/v1",
            "http://user:pw@host:0/",
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.sampled_from(
        [0, -1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400, -(10**400)]
    ),
    st.floats(allow_nan=True, allow_infinity=True),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.one_of(
    SCALARS,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(TEXTS, inner, max_size=4),
        ),
        max_leaves=8,
    ),
    st.sampled_from([deep(40), deep(200), [[]] * 100, {"": {"": None}}]),
)
