"""Texts of others, made fit to be shown: on a terminal, in a log, in a file.

What a service, a file or a user said may hold characters that move the
cursor, give orders to the terminal, or make a line read otherwise than it is
written.  Everything that is shown goes through `harmless`.
"""

from __future__ import annotations

import json
import re

#: Controls (ASCII's, DEL, those of ISO 6429), half surrogates, separators of
#: lines, embeddings, overrides and isolates of UAX 9, format characters that
#: Unicode took back (206A to 206F) or that hide the text after them, and tags
#: (E0000 to E007F), which nobody sees.  The marks and joiners that scripts and
#: emoji need are none of them: LRM, RLM and ALM override nothing.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_ESCAPES = {
    code: json.dumps(char)[1:-1] if code > 0xFFFF else f"\\u{code:04x}"
    for code in (*range(0x10000), *range(0xE0000, 0xE0080))
    if _HARMFUL.match(char := chr(code))
}
#: The flags of England, Scotland and Wales are a black one with such tags.
_FLAGS = re.compile(
    "(\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067"
    "|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f)"
)


def harmless(text: str) -> str:
    r"""``text`` with escapes, as ``\u001b``, for what could do harm.

    They are JSON's, so the text of a JSON document keeps its meaning where it
    has no line breaks but in strings.  Doing it twice changes nothing.
    """
    # Looked at first: nearly every text has none, and that is fast.
    if not _HARMFUL.search(text):
        return text
    parts = _FLAGS.split(text)
    parts[::2] = [part.translate(_ESCAPES) for part in parts[::2]]
    return "".join(parts)


def one_line(text: str) -> str:
    """`harmless`, with lines and runs of white space joined by one blank."""
    return harmless(" ".join(text.split()))


def harmless_lines(text: str) -> str:
    """`harmless` for lines, as those of an indented JSON document."""
    return "\n".join(map(harmless, text.split("\n")))
