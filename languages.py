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


#: ISO 639-1; the service refuses a whole update for another code.
_CODES = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca"
    " ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj"
    " fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii"
    " ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la"
    " lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng"
    " nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa"
    " sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk"
    " tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
_ISO_639_1 = frozenset(_CODES.split())
#: Codes of three letters that people write for the above.
_SHORTER = {
    "ara": "ar",
    "chi": "zh",
    "cmn": "zh",
    "deu": "de",
    "dut": "nl",
    "eng": "en",
    "fil": "tl",
    "fra": "fr",
    "fre": "fr",
    "ger": "de",
    "hin": "hi",
    "ind": "id",
    "ita": "it",
    "jpn": "ja",
    "kor": "ko",
    "nld": "nl",
    "pol": "pl",
    "por": "pt",
    "rus": "ru",
    "spa": "es",
    "tur": "tr",
    "ukr": "uk",
    "vie": "vi",
    "zho": "zh",
}
#: Languages without a code of two letters that the Whisper models know.
_LONGER = frozenset({"haw", "yue"})


def service_code(tag: str) -> str | None:
    """The code that the service takes for a BCP-47 tag, None if it has none.

    ``en-US`` is ``en``, ``cmn-Hant-TW`` is ``zh``.
    """
    code = tag.strip().replace("_", "-").partition("-")[0].lower()
    code = _SHORTER.get(code, code)
    return code if code in _ISO_639_1 or code in _LONGER else None
