"""Texts of others, made fit to be shown: on a terminal, in a log, in a file.

What a service, a file or a user said may hold characters that move the
cursor, give orders to the terminal, or make a line read otherwise than it is
written.  Everything that is shown goes through `harmless`.
"""

from __future__ import annotations

import re

#: Controls (ASCII's, DEL, those of ISO 6429), half surrogates, separators of
#: lines, embeddings, overrides and isolates of UAX 9, and format characters
#: that Unicode took back (206A to 206F) or that hide the text after them.
#: The marks and joiners that scripts and emoji need are none of them.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_ESCAPES = {
    code: f"\\u{code:04x}"
    for code in range(0x10000)
    if _HARMFUL.match(chr(code))
}


def harmless(text: str) -> str:
    r"""``text`` with escapes, as ``\u001b``, for what could do harm.

    They are JSON's, so the text of a JSON document keeps its meaning where it
    has no line breaks but in strings.  Doing it twice changes nothing.
    """
    # Looked at first: nearly every text has none, and that is fast.
    return text.translate(_ESCAPES) if _HARMFUL.search(text) else text


def one_line(text: str) -> str:
    """`harmless`, with lines and runs of white space joined by one blank."""
    return harmless(" ".join(text.split()))


def harmless_lines(text: str) -> str:
    """`harmless` for lines, as those of an indented JSON document."""
    return "\n".join(map(harmless, text.split("\n")))
