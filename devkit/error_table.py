"""The table of errors, from the code to the documents.

``python -m devkit.error_table`` prints docs/errors.md; ``--write`` writes it
and the README's short version, ``--check`` tells whether both are current
(exit status 1 if not).
"""

from __future__ import annotations

import sys
from pathlib import Path
from string import Template

from devkit.bootstrap import ensure_ten
from devkit.generated import ROOT, run, with_part

ensure_ten()

from ten_packages.extension.openai_asr_python.realtime.faults import (  # noqa: E402
    RULES,
    Rule,
    Verdict,
)

DOCUMENT = ROOT / "docs" / "errors.md"
SHORT_DOCUMENT = ROOT / "README.md"
BEGIN = "<!-- errors: begin, made by python -m devkit.error_table -->"
END = "<!-- errors: end -->"

#: The text around the tables.
_TEMPLATE = Path(__file__).with_name("errors.md")
_PLACES = {
    "code": "code",
    "type": "type",
    "refusal": "type, then CLOSE",
    "close": "CLOSE",
    "http": "HTTP",
    "file": "HTTP, of a turn",
}
_TITLES = {
    "code": "`error.code` of an event, a refused handshake or a failed turn",
    "type": "`error.type` where the code says nothing",
    "refusal": "the same, where CLOSE 1008, 3000 or 4000 follows",
    "close": "CLOSE code of the WebSocket, where neither an `error` just"
    " before it nor its reason (`type.code` at OpenAI) stands above",
    "http": "HTTP status in place of 101, where its body has no error",
    "file": "HTTP status in answer to a turn that was sent as a file"
    ' (`transport: "http"`), where it means something else; a 400 or 422 about'
    " another parameter than the file is fatal",
}
#: The code of what TEN is told, and what the extension does.
MEANS: dict[Verdict, tuple[str, str]] = {
    "fatal": (
        "-1000 (fatal)",
        "gives up; `update_configs` can revive the call",
    ),
    "retry": ("1000", "reconnects with back-off"),
    "at_once": ("1000", "reconnects at once"),
    "ignore": ("none", "nothing"),
    "report": ("1000", "goes on"),
}
#: Of the words of our own, those that say how a session or a turn fares; the
#: template has them all.
_OURS: dict[Verdict, tuple[str, ...]] = {
    "retry": ("no_answer", "no_turn", "no_turn_end"),
    "report": ("no_result", "turn_ends_sessions"),
}


def _row(rule: Rule) -> str:
    code, action = MEANS[rule.verdict]
    return (
        f"| {_PLACES[rule.where]} | `{rule.sign}` | {rule.meaning} |"
        f" {code} | {action} |"
    )


def document() -> str:
    """The text of docs/errors.md."""
    # In the order of the rules.
    used = dict.fromkeys(rule.where for rule in RULES)
    legend = "\n".join(
        f"- {_PLACES[where]}: {_TITLES[where]}" for where in used
    )
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        rows="\n".join(map(_row, RULES)), legend=legend
    )


def short_table() -> str:
    """The README's version: one row for each thing that the extension does."""
    lines = ["| the extension | code | when |\n|---|---|---|\n"]
    verdicts: tuple[Verdict, ...] = ("fatal", "at_once", "retry", "report")
    for verdict in verdicts:
        groups = []
        if verdict in _OURS:
            groups.append(", ".join(f"`{word}`" for word in _OURS[verdict]))
        # For every language.
        for where, before, behind in (
            ("code", "", ""),
            ("refusal", "", " + CLOSE `1008`, `3000`, `4000`"),
            ("close", "CLOSE ", ""),
            ("http", "HTTP ", ""),
        ):
            signs = [
                f"`{rule.sign}`"
                for rule in RULES
                if (rule.where, rule.verdict) == (where, verdict)
            ]
            if signs:
                groups.append(before + ", ".join(signs) + behind)
        code, action = MEANS[verdict]
        lines.append(f"| {action} | {code} | {'; '.join(groups)} |\n")
    return "".join(lines)


def with_short_table(text: str) -> str:
    """The README with its part brought up to date; raises ValueError."""
    return with_part(text, BEGIN, END, short_table())


def translated(text: str) -> str:
    """A translation whose last column is that of the README, for what stands
    there has no language; raises ValueError."""
    part = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    rows = short_table().splitlines()
    if len(part) != len(rows):
        raise ValueError(f"{len(part)} rows in place of {len(rows)}: {part}")
    new = [
        f"{theirs.rsplit(' | ', 1)[0]} | {ours.rsplit(' | ', 1)[1]}"
        for theirs, ours in zip(part[2:], rows[2:], strict=True)
    ]
    return with_part(text, BEGIN, END, "\n".join([*part[:2], *new]) + "\n")


def documents() -> dict[Path, str]:
    """The documents as they should be."""
    return {
        DOCUMENT: document(),
        SHORT_DOCUMENT: with_short_table(SHORT_DOCUMENT.read_text("utf-8")),
        **{
            path: translated(path.read_text("utf-8"))
            for path in sorted((ROOT / "docs").glob("README.*.md"))
        },
    }


if __name__ == "__main__":
    sys.exit(run("devkit.error_table", __doc__, document, documents))
