"""The lines that captions show, as text: finals, errors, the clock."""

from collections.abc import Mapping
from typing import Any

from ten_packages.extension.openai_asr_python.realtime.shown import one_line

from .transcript import Result


def clock(ms: int) -> str:
    """A position in the audio: ``00:03.2``, from an hour on ``1:00:03.2``."""
    tenths = max(0, ms) // 100
    seconds, tenth = divmod(tenths, 10)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    start = f"{hours}:" if hours else ""
    return f"{start}{minute:02d}:{second:02d}.{tenth}"


def times(result: Result) -> str:
    """Where a turn lies in the audio: ``[00:03.2 – 00:05.9]``."""
    return f"[{clock(result.start_ms)} – {clock(result.end_ms)}]"


def error_text(message: Mapping[str, Any]) -> str:
    """One line for a TEN `error` message: module, code, vendor, text.

    Codes are TEN's: -1000 means that the module has stopped, anything
    else that it goes on trying.
    """
    code = message.get("code")
    kind = "fatal error" if is_fatal(message) else "error"
    module = message.get("module") or "?"
    parts = [f"{module} {kind} {code}: {message.get('message') or ''}"]
    vendor = message.get("vendor_info")
    if isinstance(vendor, Mapping):
        named = " ".join(
            str(vendor[key]) for key in ("vendor", "code") if vendor.get(key)
        )
        detail = str(vendor.get("message") or "")
        if detail and detail in parts[0]:
            detail = ""
        if named or detail:
            parts.append(f"({': '.join(p for p in (named, detail) if p)})")
    return one_line(" ".join(parts))


def is_fatal(message: Mapping[str, Any]) -> bool:
    """Whether a TEN `error` says that its module has stopped."""
    return str(message.get("code")) == "-1000"
