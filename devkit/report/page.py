"""Makes the page: one file of HTML that asks nobody for anything.

What a log says reaches the page in two ways only: through Jinja's escaping, or
as JSON that the script parses.  The page's policy (CSP) allows the one style
and the one script that are in it, by their hashes, and no address of any kind.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from . import numbers
from .axis import axis_of
from .bounds import MOST_LISTED
from .comparison import Comparison, compare
from .kind import MARK
from .prices import AS_OF
from .session import Session
from .verdict import verdict_of

_FILES = Path(__file__).with_name("files")
_SCRIPTS = ("view.js", "axis.js", "drawing.js", "player.js", "search.js")
#: What of the configuration stands in the list of settings.
_SETTINGS = (
    ("input_audio_transcription", "model"),
    ("input_audio_transcription", "family"),
    ("input_audio_transcription", "language"),
    ("input_audio_transcription", "languages"),
    ("input_audio_transcription", "prompt"),
    ("input_audio_transcription", "keywords"),
    ("input_audio_transcription", "delay"),
    ("turn_detection", "type"),
    ("turn_detection", "threshold"),
    ("turn_detection", "prefix_padding_ms"),
    ("turn_detection", "silence_duration_ms"),
    ("turn_detection", "eagerness"),
    ("turn_detection", "silence"),
    ("input_audio_noise_reduction", "type"),
    ("input_audio_format",),
    ("g711_input",),
    ("sample_rate",),
    ("channels",),
    ("transport",),
    ("protocol",),
    ("finalize_timeout_ms",),
    ("final_timeout_ms",),
    ("gap_timeout_ms",),
    ("stop_timeout_ms",),
    ("peer_timeout_ms",),
    ("max_buffer_ms",),
    ("max_turn_ms",),
)


def page_of(sessions: list[Session]) -> str:
    """The page of one call, or of two that are compared."""
    labels = ["A", "B"] if len(sessions) > 1 else [""]
    calls = list(zip(labels, sessions, strict=True))
    style = (_FILES / "page.css").read_text(encoding="utf-8")
    script = "".join(
        (_FILES / name).read_text(encoding="utf-8") for name in _SCRIPTS
    )
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    comparison: Comparison | None = None
    if len(sessions) > 1:
        comparison = compare(sessions[0], sessions[1])
    return _template().render(
        mark=Markup(MARK),
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(
            as_json([axis_of(session, label) for label, session in calls])
        ),
        calls=calls,
        first=sessions[0],
        comparison=comparison,
        verdicts=[verdict_of(session) for session in sessions],
        settings=_settings(sessions),
        audio=_audio(sessions),
        prices_as_of=AS_OF,
        most_listed=MOST_LISTED,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FILES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(numbers.FILTERS)
    return environment.get_template("page.html")


def as_json(value: Any) -> str:
    """JSON that may stand in a ``script`` element: ASCII, and nothing that
    HTML could take for its own."""
    text = json.dumps(value, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _audio(sessions: list[Session]) -> str:
    """The first call's audio as a data URI; "" where it has none."""
    sound = sessions[0].sound
    if sound is None or not sound.data:
        return ""
    data = base64.b64encode(sound.data).decode()
    return f"data:{sound.media_type};base64,{data}"


def _settings(sessions: list[Session]) -> list[tuple[str, list[str]]]:
    """Name and values (one for each call) of what is set in any of them."""
    rows = []
    for names in _SETTINGS:
        values = [session.setting(*names) for session in sessions]
        if any(values):
            rows.append((".".join(names), values))
    return rows


def _policy(style: str, script: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "media-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
