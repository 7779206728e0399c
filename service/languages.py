"""Which language codes the service takes, and what people write for them.

A server refuses a whole `session.update` for one code that it does not take,
so a tag is translated here or not sent at all.  Sources: the refusal of the
4o models lists their codes (jambonz/jambonz-api-server#402, March 2025); for
``languages`` OpenAI's realtime transcription guide and a sweep of 100 codes
(July 2026).
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LANGUAGE = (
    "af ar az be bg bs ca cs cy da de el en es et fa fi fr gl he hi hr hu hy id"
    " is it ja kk kn ko lt lv mi mk mr ms ne nl no pl pt ro ru sk sl sr sv sw"
    " ta th tl tr uk ur vi zh"
)
_MORE = "bn gu ka ml te yue cmn eng spa zh-cn zh-tw zh-hk"
#: What ``language`` takes, with whisper-1, the 4o models and
#: gpt-realtime-whisper.
LANGUAGE_CODES = frozenset(_LANGUAGE.split())
#: What ``languages`` takes, with gpt-live-transcribe and gpt-transcribe.
LANGUAGES_CODES = LANGUAGE_CODES | frozenset(_MORE.split())

#: Other names of a language: codes that ISO 639 retired, its codes of three
#: letters, in both editions, and the main language of a group.
_OTHER_NAMES = (
    "iw=he in=id ji=yi jw=jv mo=ro mol=ro sh=sr nob=nb nno=nn nor=no tgl=tl"
    " afr=af ara=ar arb=ar aze=az azj=az bel=be ben=bn bos=bs bul=bg cat=ca"
    " ces=cs cze=cs cym=cy wel=cy dan=da deu=de ger=de ell=el gre=el eng=en"
    " spa=es est=et ekk=et fas=fa per=fa pes=fa fin=fi fra=fr fre=fr glg=gl"
    " guj=gu heb=he hin=hi hrv=hr hun=hu hye=hy arm=hy ind=id isl=is ice=is"
    " ita=it jpn=ja kan=kn kat=ka geo=ka kaz=kk kor=ko lav=lv lvs=lv lit=lt"
    " mac=mk mkd=mk mal=ml mao=mi mri=mi mar=mr may=ms msa=ms zsm=ms nep=ne"
    " npi=ne nld=nl dut=nl pol=pl por=pt ron=ro rum=ro rus=ru slk=sk slo=sk"
    " slv=sl srp=sr swa=sw swh=sw swe=sv tam=ta tel=te tha=th tur=tr ukr=uk"
    " urd=ur vie=vi chi=zh zho=zh"
)
_SAME = dict(pair.split("=") for pair in _OTHER_NAMES.split())
#: Languages that the service knows, as a hint, by the name of a near one.
_NEAR = {"nb": "no", "nn": "no", "fil": "tl", "cmn": "zh"}
_CHINESE = ("zh", "cmn")
#: Where Chinese is written as in Hong Kong, and as on the mainland.
_LIKE_HK = ("HK", "MO")
_LIKE_CN = ("CN", "SG", "MY")


class Tag(NamedTuple):
    """The parts of a BCP-47 tag that matter, in BCP-47's spelling; ``script``
    and ``region`` may be ""."""

    language: str
    script: str
    region: str

    def __str__(self) -> str:
        return "-".join(part for part in self if part)


def parse_tag(text: str) -> Tag:
    """Read a tag as people write it: ``en_US``, ``zh-hant-tw``, ``iw``.

    A language gets its shortest name of today.  Nothing is refused: an
    unknown one stays as it is.
    """
    first, *rest = re.split("[-_]", text.strip().lower())
    if first in _CHINESE and rest and rest[0] in ("cmn", "yue"):
        # An extended language, as in zh-yue-HK.
        first, *rest = rest
    script = next((p for p in rest if len(p) == 4 and p.isalpha()), "")
    region = next((p for p in rest if re.fullmatch("[a-z]{2}|[0-9]{3}", p)), "")
    return Tag(_SAME.get(first, first), script.title(), region.upper())


def service_code(text: str, *, several: bool) -> str | None:
    """The code to send for a tag, None if there is none.

    ``several``: for the field ``languages``; else for ``language``.
    """
    tag = parse_tag(text)
    code = _family(tag)
    if code == "zh":
        return _chinese(tag) if several else "zh"
    taken = LANGUAGES_CODES if several else LANGUAGE_CODES
    return code if code in taken else None


def names_language_of(code: str, text: str) -> bool:
    """Is ``code`` the tag ``text``, or its bare language?"""
    bare, tag = parse_tag(code), parse_tag(text)
    if bare == tag:
        return True
    return not (bare.script or bare.region) and _family(bare) == _family(tag)


def _family(tag: Tag) -> str:
    return _NEAR.get(tag.language, tag.language)


def _chinese(tag: Tag) -> str:
    """The script decides before the region: it is what will be read."""
    if tag.script == "Hant":
        return "zh-hk" if tag.region in _LIKE_HK else "zh-tw"
    if tag.script == "Hans" or tag.region in _LIKE_CN:
        return "zh-cn"
    if tag.region in _LIKE_HK:
        return "zh-hk"
    return "zh-tw" if tag.region == "TW" else tag.language
