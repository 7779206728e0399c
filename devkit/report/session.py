"""A call, as its dump tells of it: all that a page shows."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from devkit.bootstrap import ensure_ten
from devkit.sessions.lines import Line, RecordingError
from devkit.sessions.recording import Recording, read_recording
from devkit.shown import one_line, shown_url

from . import fields, input_checks
from .aftermath import Aftermath, fatal_errors
from .bands import Band, bands_of
from .bounds import listed
from .commits import without_a_text
from .connections import Connection, Outage, connections_of, outages_of
from .finalizes import Finalize, finalizes_of
from .findings import add_call, add_log, add_silences
from .happened import Happening, Happenings
from .sound import Sound, sound_of
from .summary import Summary, summary_of
from .timeline import Timeline
from .turns import Turn, turns_of

#: Of what is wrong with a log so much is shown.
_MOST_NOTES = 20


@dataclass(frozen=True)
class Wishes:
    """What a page is to have: ``audio`` to play, for calls of at most
    ``audio_limit_min`` minutes; texts, or ``redacted``; prices of one's own
    in US dollars a minute."""

    audio: bool = True
    audio_limit_min: float = 90.0
    redacted: bool = False
    prices: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Session:
    """A call with its parts; times in ms of the log (``t``) or of the call's
    audio.  ``sound`` is None where the audio is missing or left out, and
    ``without_audio`` says why nothing can be played."""

    name: str
    recording: Recording
    timeline: Timeline
    end_t: float
    turns: list[Turn]
    #: The same with their texts, also where these are left out of the page:
    #: to be compared, never to be shown.
    said: list[Turn]
    speech: list[tuple[float, float]]
    connections: list[Connection]
    outages: list[Outage]
    bands: list[Band]
    finalizes: list[Finalize]
    changes_ms: list[float]
    happenings: list[Happening]
    more_happenings: int
    summary: Summary
    sound: Sound | None
    without_audio: str
    redacted: bool
    has_texts: bool
    notes: list[str]
    #: How much faster than time goes by the audio came.
    speed: float | None

    @property
    def started(self) -> str:
        return fields.text(self.recording.started, 40)

    def setting(self, *names: str) -> str:
        """A value of the configuration at the start, "" for none."""
        inner = fields.part(self.recording.config, *names[:-1])
        return fields.words(inner.get(names[-1]))

    @property
    def listed(self) -> list[Turn]:
        """The turns that the page lists."""
        return listed(self.turns)

    @property
    def reconnects(self) -> int:
        """As the call counted them; without its end, by its connections."""
        if self.summary.has_counters:
            return self.summary.counters["reconnects"]
        return max(len(self.connections) - 1, 0)

    @property
    def lost_ms(self) -> float:
        """Audio without a text that was reported, in ms."""
        told = sum(
            band.end_ms - band.start_ms
            for band in self.bands
            if band.kind == "dropped"
        )
        return max(told, float(self.summary.counters["dropped_ms"]))

    @property
    def models(self) -> list[str]:
        """The configured one, and those of results."""
        configured = self.setting("input_audio_transcription", "model")
        used = [turn.model for turn in self.turns]
        return list(dict.fromkeys(filter(None, (configured, *used))))

    @property
    def turn_detection(self) -> str:
        """Its type; where the configuration leaves it to the model, what the
        service was told."""
        configured = self.setting("turn_detection", "type")
        if configured:
            return configured
        for line in self.recording.lines:
            event = fields.part(line.fields, "event")
            if line.kind == "sent" and event.get("type") == "session.update":
                told = fields.part(event, "session", "audio", "input")
                told = fields.part(told, "turn_detection")
                return fields.text(told.get("type"), 40) or "local"
        return "by the model"

    @property
    def endpoint(self) -> str:
        url = self.setting("websocket_base_url")
        return shown_url(url) if url else ""


def read_session(path: Path, wishes: Wishes) -> Session:
    """Read a log and its audio; raises `RecordingError` where it is no log.
    Whatever else is wrong in it is left out and noted."""
    notes: list[str] = []
    wrong = 0

    def on_wrong(error: RecordingError) -> None:
        nonlocal wrong
        wrong += 1
        if wrong <= _MOST_NOTES:
            notes.append(f"left out: {_without_place(str(error), path)}")

    recording = read_recording(path, on_wrong)
    if wrong > _MOST_NOTES:
        notes.append(f"{wrong - _MOST_NOTES} more lines were left out")
    notes += [_without_place(note, path) for note in recording.notes]
    heard = recording.lines
    if wishes.redacted:
        recording = _without_texts(recording)
    config = recording.config
    timeline = Timeline(
        recording.frames,
        int(fields.number(config.get("sample_rate"), 16_000)),
        int(fields.number(config.get("channels"), 1)),
    )
    lines = recording.lines
    end_t = max([timeline.last_at, *(line.t for line in lines)], default=0.0)
    turns = turns_of(lines, timeline)
    said = turns_of(heard, timeline) if wishes.redacted else turns
    speech = [
        (start, fields.number(line.fields.get("end_ms"), start))
        for line in lines
        if line.kind == "speech"
        for start in [fields.number(line.fields.get("start_ms"))]
    ][:50_000]
    connections = connections_of(lines, timeline)
    outages = outages_of(lines, connections, timeline, end_t)
    bound = fields.number(config.get("finalize_timeout_ms"), 5000)
    finalizes = finalizes_of(lines, timeline, bound)
    sound, without = _sound(recording, timeline, wishes)
    if sound is not None and not sound.shape:
        sound, without = None, "The file of the audio is empty."

    happenings = Happenings(timeline)
    bands = bands_of(lines, connections, timeline)
    aftermath = Aftermath(
        turns, finalizes, connections, bands, fatal_errors(lines)
    )
    add_log(happenings, lines, aftermath)
    add_call(happenings, aftermath, outages, without_a_text(lines))
    spoken = speech or [(turn.start_ms, turn.end_ms) for turn in turns]
    add_silences(happenings, lines, spoken, timeline)
    input_checks.add_times(happenings, recording.frames, timeline)
    if sound is not None:
        input_checks.add_levels(happenings, sound.levels)

    request = fields.part(config, "input_audio_transcription")
    model = fields.text(request.get("model"), 200)
    return Session(
        name=one_line(path.stem),
        recording=recording,
        timeline=timeline,
        end_t=end_t,
        turns=turns,
        said=said,
        speech=speech,
        connections=connections,
        outages=outages,
        bands=bands,
        finalizes=finalizes,
        changes_ms=[
            timeline.position(line.t) for line in lines if line.kind == "config"
        ][:2000],
        happenings=happenings.sorted(),
        more_happenings=happenings.more,
        summary=summary_of(
            lines,
            turns,
            fields.text(request.get("family")) or model,
            wishes.prices,
        ),
        sound=None if wishes.redacted else sound,
        without_audio=without,
        redacted=wishes.redacted,
        has_texts=recording.has_texts,
        notes=[one_line(note)[:500] for note in notes],
        speed=input_checks.speed_of(timeline),
    )


def _without_place(text: str, path: Path) -> str:
    """A page that is passed on need not tell where it was made."""
    return text.replace(str(path), path.name)


def _sound(
    recording: Recording, timeline: Timeline, wishes: Wishes
) -> tuple[Sound | None, str]:
    """The audio, and why there is none to play."""
    minutes = timeline.total_ms / 60_000
    without = ""
    if wishes.redacted:
        without = "This page was made without what was said."
    elif not wishes.audio:
        without = "This page was made without audio."
    elif not timeline.total_ms:
        without = "The call has no audio."
    elif minutes > wishes.audio_limit_min:
        without = (
            f"The call has {minutes:.0f} minutes of audio, which would make"
            f" the page too large (more than {wishes.audio_limit_min:g} min:"
            " --audio-limit)."
        )
    if minutes > _MOST_HEARD_MIN:
        return None, without
    try:
        sound = sound_of(recording, timeline, playable=not without)
    except RecordingError as error:
        place = recording.audio_path
        text = _without_place(str(error), place) if place else str(error)
        return None, without or f"There is no audio: {one_line(text)}"
    return sound, without


#: What is longer is not listened to, in minutes.
_MOST_HEARD_MIN = 24 * 60


def _without_texts(recording: Recording) -> Recording:
    """The call without what was said in it, by the product's own rule."""
    ensure_ten()
    from ten_packages.extension.openai_asr_python.recording.texts import (
        without_texts,
    )

    lines = []
    for line in recording.lines:
        # What is nested too deeply to be looked through is left out.
        with contextlib.suppress(RecursionError):
            lines.append(Line(line.where, without_texts(line.fields)))
    config = recording.config
    try:
        header = without_texts({**recording.header, "config": config})
    except RecursionError:
        header = without_texts({**recording.header, "config": {}})
    return replace(
        recording,
        lines=lines,
        header=header,
        config=header["config"],
        finals=[],
    )
