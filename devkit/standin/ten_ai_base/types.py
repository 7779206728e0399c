"""Settings of the audio buffer that is used while not connected."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class ASRBufferConfigModeKeep(BaseModel):
    """Keep frames up to ``byte_limit`` bytes (the default is ten *bytes*)."""

    mode: Literal["keep"] = "keep"
    byte_limit: int = 10


class ASRBufferConfigModeDiscard(BaseModel):
    """Forget frames."""

    mode: Literal["discard"] = "discard"


ASRBufferConfig = ASRBufferConfigModeKeep | ASRBufferConfigModeDiscard
