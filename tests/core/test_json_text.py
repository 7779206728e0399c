"""JSON of others: what is read, and what would hold the loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.connection.file_answers import (
    _object,
)
from ten_packages.extension.openai_asr_python.realtime.errors import (
    error_in_body,
)
from ten_packages.extension.openai_asr_python.realtime.events import (
    MalformedEvent,
    parse_event,
)
from ten_packages.extension.openai_asr_python.realtime.json_text import (
    read_json,
)

MOST_DIGITS = 4300
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture
def no_limit() -> Iterator[None]:
    """Python 3.10.0 to 3.10.6 had none; here anybody may have lifted it."""
    limit = getattr(sys, "get_int_max_str_digits", int)
    lift = getattr(sys, "set_int_max_str_digits", lambda most: None)
    before = limit()
    lift(0)
    yield
    lift(before)


@given(VALUES, st.booleans())
def test_any_json_is_read(value, mark):
    text = json.dumps(value, ensure_ascii=False)
    data = text.encode("utf-8", "surrogatepass")
    assert read_json(text) == value
    assert read_json(b"\xef\xbb\xbf" * mark + data) == value


def a_number(digits: int, text: str = '{"type": "a", "x": %s}') -> bytes:
    return (text % ("9" * digits)).encode()


@pytest.mark.usefixtures("no_limit")
@pytest.mark.parametrize(
    "text", ['{"type": "a", "x": %s}', '{"x": [-%s, 1.5]}', '[1, {"%s": 2}]']
)
def test_a_number_of_many_digits_is_not_made(text):
    read_json(a_number(MOST_DIGITS, text))
    with pytest.raises(ValueError, match="digits"):
        read_json(a_number(MOST_DIGITS + 1, text))


@pytest.mark.usefixtures("no_limit")
def test_no_reader_of_the_wire_makes_one():
    odd = a_number(MOST_DIGITS + 1)
    with pytest.raises(MalformedEvent):
        parse_event(odd)
    assert _object(odd) == {}
    assert _object(a_number(MOST_DIGITS)) != {}
    assert error_in_body(odd).type == ""


@pytest.mark.usefixtures("no_limit")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_nor_in_another_encoding(encoding):
    with pytest.raises(ValueError, match=r"decode|Expecting|control"):
        read_json(a_number(5000).decode().encode(encoding))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" + b"{}," * 50_000 + b"1]", "lists"),
        (b"[" * 40_000, "deep"),
        (b'{"a":' * 40_000, "deep"),
        (b"\xff", "decode"),
        (b"", "Expecting"),
    ],
)
def test_what_is_not_read(data, reason):
    with pytest.raises(ValueError, match=reason):
        read_json(data)
