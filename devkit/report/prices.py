"""What a minute of audio costs, by model.

Sources, read in November 2026: the models' pages of OpenAI
(developers.openai.com/api/docs/models/gpt-live-transcribe,
gpt-realtime-whisper, gpt-transcribe) name a price for a minute.  gpt-4o models
are billed by tokens; what stands here is OpenAI's estimate for a minute, as
others quote its pricing page (June 2026), and so is whisper-1's price.
"""

from __future__ import annotations

from collections.abc import Mapping

AS_OF = "November 2026"
#: US dollars for a minute of audio.
USD_PER_MINUTE: Mapping[str, float] = {
    "gpt-live-transcribe": 0.017,
    "gpt-realtime-whisper": 0.017,
    "gpt-transcribe": 0.0045,
    "gpt-4o-transcribe": 0.006,
    "gpt-4o-mini-transcribe": 0.003,
    "whisper-1": 0.006,
}


def price(model: str, own: Mapping[str, float]) -> float | None:
    """US dollars for a minute; ``own`` prices come first.  A dated name
    (``gpt-4o-mini-transcribe-2025-12-15``) costs what its model does."""
    for prices in (own, USD_PER_MINUTE):
        names = [n for n in prices if model == n or _is_dated(model, n)]
        if names:
            return prices[max(names, key=len)]
    return None


def _is_dated(model: str, name: str) -> bool:
    rest = model.removeprefix(f"{name}-")
    return rest != model and rest.replace("-", "").isdecimal()
