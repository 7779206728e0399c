"""Maps the vendor's time to the time of the user's audio."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum


class AudioTimelineEventType(IntEnum):
    """What a stretch of the timeline is."""

    USER_AUDIO = 0
    SILENCE_AUDIO = 1
    DROPPED_AUDIO = 2


class AudioTimeline:
    """What was sent, made up or dropped since the last reset; all in ms.

    The vendor hears user audio and silence; the user produced user audio and
    what was dropped.
    """

    def __init__(self, error_cb: Callable[[str], None] | None = None) -> None:
        self.error_cb = error_cb
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.timeline: list[tuple[AudioTimelineEventType, int]] = []
        self.total_user_audio_duration = 0
        self.total_silence_audio_duration = 0
        self.total_dropped_audio_duration = 0

    def add_user_audio(self, duration_ms: int) -> None:
        """User audio was sent."""
        if self._add(AudioTimelineEventType.USER_AUDIO, duration_ms):
            self.total_user_audio_duration += duration_ms

    def add_silence_audio(self, duration_ms: int) -> None:
        """Silence was sent that the user did not produce."""
        if self._add(AudioTimelineEventType.SILENCE_AUDIO, duration_ms):
            self.total_silence_audio_duration += duration_ms

    def add_dropped_audio(self, duration_ms: int) -> None:
        """User audio was not sent."""
        if self._add(AudioTimelineEventType.DROPPED_AUDIO, duration_ms):
            self.total_dropped_audio_duration += duration_ms

    def _add(self, kind: AudioTimelineEventType, duration_ms: int) -> bool:
        if duration_ms <= 0:
            return False
        if self.timeline and self.timeline[-1][0] is kind:
            duration_ms += self.timeline.pop()[1]
        self.timeline.append((kind, duration_ms))
        return True

    def get_total_user_audio_duration(self) -> int:
        """User audio, sent or dropped."""
        return (
            self.total_user_audio_duration + self.total_dropped_audio_duration
        )

    def get_audio_duration_before_time(self, time_ms: int) -> int:
        """User audio before the vendor's ``time_ms``.

        A time outside what was sent is reported to ``error_cb``.
        """
        if time_ms < 0:
            self._report(f"requested time {time_ms} ms is negative")
            return 0
        sent = (
            self.total_user_audio_duration + self.total_silence_audio_duration
        )
        if time_ms > sent:
            self._report(
                f"requested time {time_ms} ms is beyond {sent} ms sent"
            )
            return self.get_total_user_audio_duration()
        vendor = real = 0
        for kind, duration in self.timeline:
            if kind is AudioTimelineEventType.DROPPED_AUDIO:
                real += duration
                continue
            step = min(duration, time_ms - vendor)
            vendor += step
            if kind is AudioTimelineEventType.USER_AUDIO:
                real += step
            if vendor >= time_ms:
                break
        return real

    def _report(self, text: str) -> None:
        if self.error_cb is not None:
            self.error_cb(text)
