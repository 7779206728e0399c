"""What a result says beside its text: its language, as the BCP-47 tag that TEN
expects, and how sure the service is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..service.languages import names_language_of, parse_tag, service_code

#: What a result says when neither the service nor the configuration names a
#: language.
DEFAULT_TAG = "en-US"

#: The regions that TEN's ASR extensions agreed on.
_REGIONS = (
    "ar-AE de-DE en-US es-ES fr-FR hi-IN it-IT ja-JP ko-KR pt-PT ru-RU zh-CN"
)
_TAGS = {tag[:2]: tag for tag in _REGIONS.split()}
_TAGS |= {"cmn": "zh-CN", "yue": "zh-HK"}


def language_tag(text: str) -> str:
    """The tag of a code, with TEN's region where it has none."""
    tag = str(parse_tag(text))
    return _TAGS.get(tag, tag)


def result_tag(
    reported: Sequence[str], hints: Sequence[str], configured: Sequence[str]
) -> str:
    """The tag of a turn.

    ``reported``: the codes that the service told, ``hints`` those that it was
    sent, ``configured`` the tags as the user wrote them.  A report of what it
    was sent first is an echo (measured in July 2026) and tells nothing; any
    other is what it heard, and its tag the user's own where there is one.
    """
    heard = next((code for code in reported if code.strip()), "")
    if heard and not (hints and names_language_of(heard, hints[0])):
        names = (tag for tag in configured if names_language_of(heard, tag))
        return language_tag(next(names, heard))
    if hints:
        own = (
            tag
            for tag in configured
            for several in (True, False)
            if service_code(tag, several=several) == hints[0]
        )
        return language_tag(next(own, hints[0]))
    return language_tag(next(iter(configured), DEFAULT_TAG))


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean of the tokens' probabilities, from 0 to 1; None where
    none are known.  ``logprobs`` are their logarithms."""
    if not logprobs:
        return None
    return round(math.exp(math.fsum(logprobs) / len(logprobs)), 4)
