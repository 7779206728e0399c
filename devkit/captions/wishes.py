"""What a page may ask for: the JSON messages that it sends."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

#: Of a text message, in characters; audio messages are not longer in bytes.
LONGEST = 65_536


# They go through the environment of a process.
_PRINTED = r"^[^\x00-\x1f]*$"
_Short = Annotated[str, StringConstraints(max_length=200, pattern=_PRINTED)]
_Long = Annotated[str, StringConstraints(max_length=10_000, pattern=_PRINTED)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Wish):
    """How to transcribe. Whether a value is any good is for the extension to
    say: an empty text is its default."""

    model: _Short = ""
    language: _Short = ""
    keywords: _Long = ""
    turn_detection: _Short = ""
    silence_ms: _Short = ""
    threshold: _Short = ""

    def params(self) -> dict[str, Any]:
        """As `update_configs` takes them."""
        return {
            "input_audio_transcription": {
                "model": self.model,
                "language": self.language,
                "keywords": self.keywords,
            },
            "turn_detection": {
                "type": self.turn_detection,
                "silence_duration_ms": self.silence_ms,
                "threshold": self.threshold,
            },
        }

    def environment(self) -> dict[str, str]:
        """As the property.json of `examples/live_page` takes them."""
        return {
            f"LIVE_PAGE_{name.upper()}": value
            for name, value in self.model_dump().items()
        }


class Start(_Wish):
    """Begin a call; its audio is 16-bit mono with `rate` Hz."""

    type: Literal["start"]
    rate: int = Field(ge=8000, le=192_000)
    settings: Settings


class Update(_Wish):
    """Other settings, in the call."""

    type: Literal["update"]
    settings: Settings


class Finalize(_Wish):
    """All text up to now, please."""

    type: Literal["finalize"]


class Cut(_Wish):
    """Break the connection to the service, and stay away for so long."""

    type: Literal["cut"]
    away_s: float = Field(ge=0, le=60)


class Stop(_Wish):
    """End the call."""

    type: Literal["stop"]


Wish = Start | Update | Finalize | Cut | Stop
_WISHES: TypeAdapter[Wish] = TypeAdapter(
    Annotated[Wish, Field(discriminator="type")]
)


class BadWish(ValueError):
    """What a page sent is none: one line that names the field."""


def read_wish(text: str) -> Wish:
    """Raises `BadWish`."""
    try:
        return _WISHES.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the message"
        raise BadWish(f"{place}: {first['msg']}") from None
