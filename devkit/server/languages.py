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
# What `verbose_json` calls them.
_NAMES = (
    "af:afrikaans ar:arabic hy:armenian az:azerbaijani be:belarusian "
    "bs:bosnian bg:bulgarian ca:catalan zh:chinese hr:croatian cs:czech "
    "da:danish nl:dutch en:english et:estonian fi:finnish fr:french "
    "gl:galician de:german el:greek he:hebrew hi:hindi hu:hungarian "
    "is:icelandic id:indonesian it:italian ja:japanese kn:kannada "
    "kk:kazakh ko:korean lv:latvian lt:lithuanian mk:macedonian ms:malay "
    "mi:maori mr:marathi ne:nepali no:norwegian fa:persian pl:polish "
    "pt:portuguese ro:romanian ru:russian sr:serbian sk:slovak "
    "sl:slovenian es:spanish sw:swahili sv:swedish tl:tagalog ta:tamil "
    "th:thai tr:turkish uk:ukrainian ur:urdu vi:vietnamese cy:welsh"
)
NAMES = dict(pair.split(":") for pair in _NAMES.split())
