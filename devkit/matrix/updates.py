"""Calls whose settings change between two sentences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .cells import MODELS, base_params
from .requests import TAKES, Request, Told

Owner = Literal["server_vad", "local", "none"]
OWNERS: tuple[Owner, ...] = ("server_vad", "local", "none")
#: (the server's dialect, `protocol`)
UPDATE_DIALECTS = (("ga", "auto"), ("beta", "beta"))
_PROMPT = Request({"prompt": "A call."}, prompt="A call.")


@dataclass(frozen=True)
class Change:
    """Settings before and after, for the second sentence.

    ``model``, ``owner``: another model, another owner of the turns.
    """

    before: Request
    after: Request
    model: str = ""
    owner: Owner | Literal[""] = ""


def _language(*tags: str, **more: Any) -> Request:
    return Request({"languages": list(tags)}, tags, tags[0], **more)


def _words(*words: str) -> Request:
    return Request({"keywords": list(words)}, keywords=words)


def _noise(**noise: Any) -> Request:
    return Request(
        {"input_audio_noise_reduction": noise}, noise_reduction=noise
    )


_NOTHING = Request({})
_DELAY = Request({"delay": "low"}, delay="low")
_LOGPROBS = Request({"include": "logprobs"}, logprobs=True)
_ALL = Request(
    {
        "language": "de",
        "prompt": "A call.",
        "keywords": ["TEN", "RTC"],
        "delay": "low",
        "include": "logprobs",
        "input_audio_noise_reduction": {"type": "far_field", "strength": 0.5},
    },
    ("de",),
    "de",
    "A call.",
    ("TEN", "RTC"),
    delay="low",
    noise_reduction={"type": "far_field", "strength": 0.5},
    logprobs=True,
)
_OTHER = Request(
    {
        "languages": ["fr", "en"],
        "prompt": "A lecture.",
        "keywords": ["Agora"],
        "delay": "high",
        "include": "logprobs",
        "input_audio_noise_reduction": {"type": "near_field", "strength": 1},
    },
    ("fr", "en"),
    "fr",
    "A lecture.",
    ("Agora",),
    delay="high",
    noise_reduction={"type": "near_field", "strength": 1},
    logprobs=True,
)
CHANGES = {
    "nothing": Change(_PROMPT, _PROMPT),
    "`prompt` given": Change(_NOTHING, _PROMPT),
    "`prompt` replaced": Change(
        _PROMPT, Request({"prompt": "A lecture."}, prompt="A lecture.")
    ),
    "`prompt` taken back": Change(_PROMPT, _NOTHING),
    "`keywords` given": Change(_NOTHING, _words("TEN")),
    "`keywords` replaced": Change(_words("TEN", "RTC"), _words("Agora")),
    "`keywords` taken back": Change(_words("TEN"), _NOTHING),
    "noise reduction given": Change(_NOTHING, _noise(type="near_field")),
    "noise reduction replaced": Change(
        _noise(type="near_field", strength=0.5),
        _noise(type="far_field", strength=0.25),
    ),
    "its strength taken back": Change(
        _noise(type="near_field", strength=0.5), _noise(type="near_field")
    ),
    "noise reduction taken back": Change(_noise(type="far_field"), _NOTHING),
    "`language` given": Change(_NOTHING, _language("de")),
    "`language` replaced": Change(_language("de"), _language("fr")),
    "`languages` replaced": Change(
        _language("de", "en"), _language("fr", "en")
    ),
    "`languages`: one of them taken back": Change(
        _language("de", "en"), _language("de")
    ),
    "`language` taken back": Change(_language("de"), _NOTHING),
    "`language` to one that is not sent": Change(
        _language("de"), Request({"language": "sq"})
    ),
    "`delay` given": Change(_NOTHING, _DELAY),
    "`delay` replaced": Change(
        _DELAY, Request({"delay": "high"}, delay="high")
    ),
    "`delay` taken back": Change(_DELAY, _NOTHING),
    "logprobs given": Change(_NOTHING, _LOGPROBS),
    "logprobs taken back": Change(_LOGPROBS, _NOTHING),
    "all of these given": Change(_NOTHING, _ALL),
    "all of these replaced": Change(_ALL, _OTHER),
    "all of these taken back": Change(_ALL, _NOTHING),
    "`model` to `whisper-1`": Change(_ALL, _ALL, model="whisper-1"),
    "`model` to `gpt-transcribe`": Change(_ALL, _ALL, model="gpt-transcribe"),
    "turns to `server_vad`": Change(_PROMPT, _PROMPT, owner="server_vad"),
    "turns to `local`": Change(_PROMPT, _PROMPT, owner="local"),
    "turns to `none`": Change(_PROMPT, _PROMPT, owner="none"),
}
#: What a `session.update` can replace and not clear.
_KEPT = {"language", "languages", "delay"}


@dataclass(frozen=True)
class UpdateCell:
    """One change in a call with one model and one owner of the turns."""

    model: str
    owner: Owner
    change: str
    server: str
    protocol: str

    @property
    def owner_after(self) -> str:
        """Who ends the turns of the second sentence."""
        return CHANGES[self.change].owner or self.owner

    @property
    def before(self) -> Told:
        """What the first sentence shall be heard under."""
        request = CHANGES[self.change].before
        return request.told(self.model, self.server, self.protocol)

    @property
    def after(self) -> Told:
        """What the second sentence shall be heard under."""
        change, before = CHANGES[self.change], self.before
        model = change.model or self.model
        told = change.after.told(model, self.server, self.protocol)
        noise = told.noise_reduction
        if not self.opens_session(before, told) and noise is not None:
            old = before.noise_reduction or {}
            if "strength" in old and "strength" not in noise:
                # It would be kept: what it is without one is said instead.
                return replace(told, noise_reduction={**noise, "strength": 1})
        return told

    @property
    def sessions(self) -> int:
        """How many sessions the call shall have."""
        return 1 + self.opens_session(self.before, self.after)

    @staticmethod
    def opens_session(before: Told, after: Told) -> bool:
        """Is something taken back that a `session.update` cannot clear?"""
        old, new = before.transcription, after.transcription
        return (
            old["model"] != new["model"]
            or bool(_KEPT & (old.keys() - new.keys()))
            or bool(set(before.include) - set(after.include))
        )

    def properties(self, url: str, name: str) -> dict[str, Any]:
        """The node property at the beginning of the call."""
        given = CHANGES[self.change].before.given
        return self._properties(self.model, self.owner, given, url, name)

    def changed_properties(self, url: str, name: str) -> dict[str, Any]:
        """The node property for the second sentence."""
        change = CHANGES[self.change]
        model = change.model or self.model
        given, owner = change.after.given, self.owner_after
        return self._properties(model, owner, given, url, name)

    def _properties(
        self,
        model: str,
        owner: str,
        given: Mapping[str, Any],
        url: str,
        name: str,
    ) -> dict[str, Any]:
        # How to connect is the call's own, whatever the model.
        params = base_params(self.model, self.protocol, url, name)
        params |= {"model": model, "turn_detection": {"type": owner}}
        return {"params": {**params, **given}}


def _makes_sense(cell: UpdateCell) -> bool:
    change = CHANGES[cell.change]
    models = (cell.model, change.model or cell.model)
    if change.model == cell.model or change.owner == cell.owner:
        return False
    owners = (cell.owner, cell.owner_after)
    return "server_vad" not in owners or all(
        TAKES[model].server_vad for model in models
    )


def update_cells() -> list[UpdateCell]:
    """All of them."""
    return [
        cell
        for model, owner, change, dialect in itertools.product(
            MODELS, OWNERS, CHANGES, UPDATE_DIALECTS
        )
        if _makes_sense(cell := UpdateCell(model, owner, change, *dialect))
    ]
