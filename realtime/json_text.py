"""JSON that others wrote, read where the event loop waits for it."""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

#: No event has so many lists and objects, even with a log probability for each
#: token in 1 MB; to make them would hold the loop, and the garbage collector
#: look at all that the process has, again and again.
_MOST_LISTS = 50_000
#: The time for a whole number grows with the square of its digits.  Python's
#: own bound is the same, where it has one: it came with 3.10.7, and anything in
#: the process may lift it (``sys.set_int_max_str_digits``).
_MOST_DIGITS = 4300
_LONG_NUMBER = re.compile(rb"(?<![0-9])[0-9]{%d}" % (_MOST_DIGITS + 1))


def read_json(data: bytes | str) -> Any:
    """The value that UTF-8 ``data`` holds.

    Raises ``ValueError`` for what is no JSON, or would hold the loop: more than
    50,000 lists and objects, a number of more than 4300 digits, deep nesting.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    if data.count(b"[") + data.count(b"{") > _MOST_LISTS:
        raise ValueError("too many lists and objects")
    if len(data) > _MOST_DIGITS and _LONG_NUMBER.search(data):
        raise ValueError("a number of too many digits")
    # Else `json` looks for other encodings, in which these were not counted.
    text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogatepass")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
