"""The language codes that the service takes, by model family.

Source: a published sweep of 100 codes over the newer models (2026-07-31) and
OpenAI's guides, state of November 2026.
"""

from __future__ import annotations


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SWEEP = _codes(
    "af ar hy az be bn bs bg yue ca zh hr cs da nl en et fi fr gl ka de el gu "
    "he hi hu is id it ja kn kk ko lv lt mk ms ml mi mr ne no fa pl pt ro ru "
    "sr sk sl es sw sv tl ta te th tr uk ur vi cy"
)
# `languages` of gpt-live-transcribe and gpt-transcribe: also selected
# ISO 639-3 codes and regional Chinese, all in lower case.
LISTED = _SWEEP | _codes("eng spa yue cmn zh-cn zh-tw zh-hk")
# `language` of the older models: the 57 that OpenAI publishes.
SINGLE = _SWEEP - _codes("bn yue ka gu ml te")
