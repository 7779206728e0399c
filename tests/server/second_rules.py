"""A second strict reading of `session.update`, from the fact sheet alone.

Whoever wrote it had not seen `devkit.server`; so where both agree, it is the
sheet that they agree with.  Where the sheet is silent it does as follows:

- `model` is needed in every transcription object, `type` in the others;
- a field that the model lacks is refused even if it is empty, or was left
  there by the merge;
- language and languages are judged after the merge;
- codes are exact and lower case; a list may repeat one;
- null for a text or for keywords is refused, as is a blank keyword;
- another type of turn_detection or format replaces, the same type merges;
- create_response and interrupt_response are unknown;
- a live model is refused if turn detection was ever asked for, and `include`
  with it, too.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

Json = dict[str, Any]
_OLD = (
    "af ar hy az be bs bg ca zh hr cs da nl en et fi fr gl de el he hi hu is "
    "id it ja kn kk ko lv lt mk ms mi mr ne no fa pl pt ro ru sr sk sl es sw "
    "sv tl ta th tr uk ur vi cy"
)
_MORE = "bn yue ka gu ml te eng spa cmn zh-cn zh-tw zh-hk"
OLD = _OLD.split()
NEW = [*OLD, *_MORE.split()]
LIVE = ("gpt-live-transcribe", "gpt-realtime-whisper")
TAKES = {  # fields of transcription beside the model
    "gpt-live-transcribe": "languages keywords prompt delay",
    "gpt-transcribe": "languages keywords prompt",
    "gpt-realtime-whisper": "language delay",
    "gpt-4o-transcribe-diarize": "language",
    "gpt-4o-transcribe": "language prompt",
    "gpt-4o-mini-transcribe": "language prompt",
    "gpt-4o-mini-transcribe-2025-12-15": "language prompt",
    "whisper-1": "language prompt",
}
VAD = {"threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
# How `check` reads a rule: a dict is an object, its *names are required, `by`
# goes by the object's type; [rule] is a list; (rule,) may be null; "a b" is an
# enum; an int is the greatest length of a text; 1.0 is a number from 0 to 1.
TEXT, MS, STRENGTH = sys.maxsize, range(sys.maxsize), {"strength": 1.0}
SESSION = {
    "*type": "transcription",
    "include": (["item.input_audio_transcription.logprobs"],),
    "audio": {"input": {
        "format": {"by": {
            "audio/pcm": {"rate": range(24000, 24001)},
            "audio/pcmu": {}, "audio/pcma": {},
        }},
        "noise_reduction": (
            {"by": {"near_field": STRENGTH, "far_field": STRENGTH}},
        ),
        "turn_detection": ({"by": {
            "server_vad": {
                "threshold": 1.0, "prefix_padding_ms": MS,
                "silence_duration_ms": MS,
                "idle_timeout_ms": (range(5000, 30001),),
            },
            "semantic_vad": {"eagerness": "low medium high auto"},
        }},),
        "transcription": ({
            "*model": TEXT, "language": TEXT, "languages": [TEXT],
            "prompt": 1024, "keywords": [TEXT],
            "delay": "minimal low medium high xhigh",
        },),
    }},
}  # fmt: skip
PYTHON: Json = {"dict": dict, "list": list, "range": int}
PYTHON["float"] = (int, float)
REALTIME = (
    "Passing a realtime session update to a transcription session is not "
    "allowed."
)
BAD_KEYWORD = "The 'keywords' parameter contains unsupported characters."
NO_VAD = "Turn detection is not supported for this transcription model."


class Refused(Exception):
    def __init__(self, code: str | None, says: str, param: str | None = None):
        self.error: Json = {"type": "invalid_request_error", "code": code}
        self.error |= {"message": says, "param": param}


def check(rule: Any, value: Any, path: str) -> None:
    if rule is Any or (isinstance(rule, tuple) and value is None):
        return
    rule = rule[0] if isinstance(rule, tuple) else rule
    is_type = isinstance(value, PYTHON.get(type(rule).__name__, str))
    if not is_type or isinstance(value, bool):
        says = f"Invalid type for '{path}': got {json.dumps(value)[:40]}."
        raise Refused("invalid_type", says, path)
    if isinstance(rule, dict):
        check_object(rule, value, path)
    elif isinstance(rule, list):
        for index, item in enumerate(value):
            check(rule[0], item, f"{path}[{index}]")
    elif isinstance(rule, int) and len(value) > rule:
        says = f"Invalid '{path}': string too long. Expected a string with "
        says += f"maximum length {rule}, but got a string with length "
        says += f"{len(value)} instead."
        raise Refused("string_above_max_length", says, path)
    elif isinstance(rule, range) and value < rule.start:
        says = f"Invalid '{path}': integer below minimum value. Expected a "
        says += f"value >= {rule.start}, but got {value} instead."
        raise Refused("integer_below_min_value", says, path)
    elif (
        (isinstance(rule, range) and value not in rule)
        or (isinstance(rule, float) and not 0 <= value <= rule)
        or (isinstance(rule, str) and value not in rule.split())
    ):
        supported = f"Supported values are: {rule}."
        says = f"Invalid value: '{value}'. {supported}"
        raise Refused("invalid_value", says, path)


def check_object(rule: Json, value: Json, path: str) -> None:
    if kinds := rule.get("by"):
        more = kinds.get(str(value.get("type")), {})
        rule = {"*type": " ".join(kinds), **more}
    names = {name.lstrip("*"): inner for name, inner in rule.items()}
    for name in [name[1:] for name in rule if name[0] == "*"] + [*value]:
        inside = f"{path}.{name}".lstrip(".")
        if name not in value:
            says = f"Missing required parameter: '{inside}'"
            raise Refused("missing_required_parameter", says, inside)
        if name not in names:
            says = f"Unknown parameter: '{inside}'."
            raise Refused("unknown_parameter", says, inside)
        check(names[name], value[name], inside)


def merge(old: Json, new: Json) -> Json:
    merged = copy.deepcopy(old)
    for name, value in new.items():
        was: Any = merged.get(name)
        both = isinstance(was, dict) and isinstance(value, dict)
        if both and name != "noise_reduction":
            both = was.get("type") == value.get("type", was.get("type"))
        merged[name] = merge(was, value) if both else copy.deepcopy(value)
    return merged


def judge(state: Json, sent: Json) -> None:
    """What the model does not take, in the merged state or as it was sent."""
    audio = state["audio"]["input"]
    if not (settings := audio["transcription"]):
        return
    path, model = "session.audio.input.transcription.", settings["model"]
    if model not in TAKES:
        says = f"The model '{model}' does not exist."
        raise Refused("model_not_found", says, path + "model")
    if "language" in settings and "languages" in settings:
        says = "'language' and 'languages' exclude each other."
        raise Refused("invalid_value", says, path + "languages")
    for name in [*settings, *sent]:
        if name not in f"model {TAKES[model]}".split():
            says = f"'{name}' is not supported for this transcription model."
            raise Refused("invalid_value", says, path + name)
    for name, known in ("language", OLD), ("languages", NEW):
        codes = settings.get(name, known)
        codes = [codes] if isinstance(codes, str) else codes
        if not codes or (wrong := [c for c in codes if c not in known]):
            says = f"Unsupported language: {wrong if codes else 'none'}."
            raise Refused("invalid_value", says, path + name)
    for keyword in settings.get("keywords", []):
        if not keyword.strip() or set(keyword) & set("<>\r\n"):
            raise Refused("invalid_value", BAD_KEYWORD, path + "keywords")
    if model in LIVE and audio["turn_detection"]:
        field = "session.audio.input.turn_detection"
        raise Refused("invalid_value", NO_VAD, field)
    if model in LIVE and state["include"]:
        says = "This transcription model has no log probabilities."
        raise Refused("invalid_value", says, "session.include")


class Rules:
    """A session's settings (`state`), and what becomes of an update."""

    def __init__(self) -> None:
        audio: Json = {"format": {"type": "audio/pcm", "rate": 24000}}
        audio |= {"transcription": None, "noise_reduction": None}
        audio |= {"turn_detection": {"type": "server_vad", **VAD}}
        self.state: Json = {"type": "transcription", "audio": {"input": audio}}
        self.state["include"] = None
        self.vad_sent = False

    def update(self, session: Any) -> tuple[Json | None, Json | None]:
        """The new full state and None, or None and the error object."""
        try:
            if isinstance(session, dict) and session.get("type") == "realtime":
                raise Refused("invalid_parameter", REALTIME, "session.type")
            check(SESSION, session, "session")
            self._apply(session)
        except Refused as refused:
            return None, refused.error
        return copy.deepcopy(self.state), None

    def _apply(self, session: Json) -> None:
        state = merge(self.state, session)
        sent = session.get("audio", {}).get("input", {})
        audio, vad_sent = state["audio"]["input"], "turn_detection" in sent
        settings, vad_sent = audio["transcription"], vad_sent or self.vad_sent
        if settings and settings["model"] in LIVE and not vad_sent:
            audio["turn_detection"] = None
        for name, kind, default in (
            ("format", "audio/pcm", {"rate": 24000}),
            ("turn_detection", "server_vad", VAD),
            ("turn_detection", "semantic_vad", {"eagerness": "auto"}),
        ):
            if audio[name] and audio[name]["type"] == kind:
                audio[name] = {**default, **audio[name]}
        judge(state, sent.get("transcription") or {})
        for name in ("prompt", "keywords"):  # "" and [] clear
            if settings and not settings.get(name, True):
                del settings[name]
        state["include"] = state["include"] or None
        self.state, self.vad_sent = state, vad_sent
