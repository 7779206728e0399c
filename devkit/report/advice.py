"""What an error of the log means, and what to do about it.

The log has the text of an error only.  What the service or the connection said
is looked up in the product's own table (docs/errors.md), by the word or the
number in it; what the extension itself says, here.
"""

from __future__ import annotations

import re

from devkit.bootstrap import ensure_ten
from devkit.error_table import MEANS

ensure_ten()

from ten_packages.extension.openai_asr_python.realtime.faults import (  # noqa: E402
    RULES,
)

from .remedies import OURS, SIGNS, Advice  # noqa: E402

_NUMBER = re.compile(r"(HTTP|code) (\d{3,4})\b")


def advice_on(message: str, fatal: bool) -> Advice:
    """What an error message means; `Advice.title` is never empty."""
    known = _by_sign(message)
    if known is not None and (fatal or known.settings):
        return known
    for part, advice in OURS:
        if part in message:
            return advice
    if known is not None:
        return known
    title = "The call was given up" if fatal else "An error"
    return Advice(title, "The message is the server's own.")


def _by_sign(message: str) -> Advice | None:
    """By a word of the service or a number of HTTP or CLOSE."""
    for rule in RULES:
        if rule.where in ("code", "type") and rule.sign in message:
            return _of_rule(rule.sign, rule.meaning, MEANS[rule.verdict][1])
    found = _NUMBER.search(message)
    if found is None:
        return None
    where = "http" if found[1] == "HTTP" else "close"
    number = int(found[2])
    for rule in RULES:
        low, _, high = rule.sign.partition("-")
        if rule.where == where and int(low) <= number <= int(high or low):
            return _of_rule(found[2], rule.meaning, MEANS[rule.verdict][1])
    return None


def _of_rule(sign: str, meaning: str, action: str) -> Advice:
    known = SIGNS.get(sign, Advice("", ""))
    todo = f"{known.todo} " if known.todo else ""
    return Advice(
        f"{meaning[:1].upper()}{meaning[1:]}",
        f"{todo}The extension {action.replace('`', '')}.",
        known.settings,
    )
