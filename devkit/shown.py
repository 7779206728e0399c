"""Texts of others on the terminal, by the rule of the package."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from devkit.bootstrap import ensure_ten


def one_line(text: str) -> str:
    """See `realtime.shown.one_line`."""
    # Not before there is something to show: it takes half a second.
    ensure_ten()
    from ten_packages.extension.openai_asr_python.realtime import shown

    return shown.one_line(text)


def told(text: str) -> str:
    """The same without what looks like a key: somebody may have given one in
    place of a name."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.safety.redaction import (
        Redactor,
    )

    return one_line(Redactor().text(text))


def harmless(text: str) -> str:
    """See `realtime.shown.harmless`."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.realtime import shown

    return shown.harmless(text)


def shown_url(url: str) -> str:
    """A URL that somebody gave, without what may be secret in it."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.service import endpoint

    return harmless(endpoint.redacted_url(url))


def harmless_lines(text: str) -> str:
    """See `realtime.shown.harmless_lines`."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.realtime import shown

    return shown.harmless_lines(text)


def shown_path(path: str | Path) -> str:
    """A path as it may be typed here: short where it lies below."""
    below = os.path.relpath(path)
    return harmless(str(path) if below.startswith("..") else below)


def shown_python() -> str:
    """This interpreter, as it may be typed here."""
    return shown_path(sys.executable)
