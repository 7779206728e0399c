"""Language codes of the service as the BCP-47 tags that TEN expects."""

from __future__ import annotations

from collections.abc import Iterable

#: What a result says when neither the service nor the configuration names a
#: language.
DEFAULT_TAG = "en-US"

#: The regions that TEN's ASR extensions agreed on.
_TAGS = {
    "ar": "ar-AE",
    "de": "de-DE",
    "en": "en-US",
    "es": "es-ES",
    "fr": "fr-FR",
    "hi": "hi-IN",
    "it": "it-IT",
    "ja": "ja-JP",
    "ko": "ko-KR",
    "pt": "pt-PT",
    "ru": "ru-RU",
    "yue": "zh-HK",
    "zh": "zh-CN",
}


def language_tag(codes: Iterable[str]) -> str:
    """The tag of the first code that is not blank; unknown ones as is."""
    for code in codes:
        code = code.strip()
        if code:
            return _TAGS.get(code.lower(), code)
    return DEFAULT_TAG
