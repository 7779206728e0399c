"""Turns that the service took, and that never got a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from devkit.sessions.lines import Line

from . import fields


@dataclass
class Commit:
    """``t`` (ms of the log): when it was told; ``answered_t``: when the
    service sent a text of it, which was not passed on."""

    t: float
    answered_t: float | None = None


def without_a_text(lines: Iterable[Line]) -> list[Commit]:
    """Those of the last connection: what an earlier one had committed is
    sent again, as another item."""
    waiting: dict[str, Commit] = {}
    for line in lines:
        if line.kind == "opened":
            waiting.clear()
        elif line.kind == "error":
            # It gets another item, maybe of the same connection.
            if "sent again" in fields.text(line.fields.get("message")):
                waiting.clear()
        elif line.kind in ("empty", "failed"):
            waiting.pop(fields.text(line.fields.get("item_id"), 200), None)
        elif line.kind == "result":
            result = fields.part(line.fields, "result")
            info = fields.part(result, "metadata", "asr_info")
            if result.get("final") is True:
                waiting.pop(fields.text(info.get("item_id"), 200), None)
        elif line.kind == "received":
            event = fields.part(line.fields, "event")
            item = fields.text(event.get("item_id"), 200)
            kind = event.get("type")
            if kind == "input_audio_buffer.committed" and item:
                waiting[item] = Commit(line.t)
            elif str(kind).endswith("input_audio_transcription.failed"):
                # That is told by itself.
                waiting.pop(item, None)
            elif item in waiting and str(kind).endswith(
                "input_audio_transcription.completed"
            ):
                waiting[item].answered_t = line.t
    return list(waiting.values())
