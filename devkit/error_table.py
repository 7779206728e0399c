"""The table of errors, from the code to the documents.

``python -m devkit.error_table`` prints docs/errors.md; ``--write`` writes it
and the README's short version, ``--check`` tells whether both are current
(exit status 1 if not).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from devkit.bootstrap import ensure_ten

ensure_ten()

from ten_packages.extension.openai_asr_python.realtime.faults import (  # noqa: E402
    RULES,
    Rule,
    Verdict,
)

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "errors.md"
SHORT_DOCUMENT = ROOT / "README.md"
BEGIN = "<!-- errors: begin, made by python -m devkit.error_table -->"
END = "<!-- errors: end -->"

_TITLES = {
    "code": "`error.code` of an event, a refused handshake or a failed turn",
    "type": "`error.type` where the code says nothing",
    "refusal": "the same, where CLOSE 1008, 3000 or 4000 follows",
    "close": "CLOSE code of the WebSocket, where neither an `error` just"
    " before it nor its reason (`type.code` at OpenAI) stands above",
    "http": "HTTP status in place of 101, where its body has no error",
}
_SEVERITY: dict[Verdict, str] = {
    "fatal": "-1000 (fatal)",
    "retry": "1000",
    "at_once": "1000",
    "ignore": "none",
    "report": "1000",
}
_ACTION: dict[Verdict, str] = {
    "fatal": "gives up; `update_configs` can revive the call",
    "retry": "reconnects with back-off",
    "at_once": "reconnects at once",
    "ignore": "nothing",
    "report": "goes on",
}
_INTRODUCTION = """\
# Errors

Made by `python -m devkit.error_table --write` from `realtime/faults.py`;
`make test` fails where they differ.

Every `error` message carries `code` (-1000: the extension gave up, 1000: it
goes on) and a `message` of one line. Where the service or the connection said
something, `vendor_info` is `{"vendor": "openai", "code", "message"}`, with
the sign of the tables below as `code`. Secrets, and anything like a key, are
shown as `***` ([session_log.md](session_log.md#privacy)).

What decides, in this order: the code of an `error` event, of a CLOSE's reason
or of an HTTP body, its type, the CLOSE code or HTTP status. A row that names
one number comes before a range. Only what is known to last ends a call.

| where | sign | meaning | error message | the extension |
|---|---|---|---|---|
"""
_REST = """
An `error` event that no CLOSE follows ends nothing: it is reported with code
1000 and the session goes on. An `error` in answer to the session's settings
is fatal, because nothing could be transcribed, unless its row says
"reconnects": then it is tried again. An `error` in place of `session.created`
ends the attempt, which is repeated unless its row says "gives up". Whatever
stands in no row is taken for a passing fault. `Retry-After` of an HTTP
refusal, in seconds or as a date, is waited for, at most five minutes.

A start that fails is told at once, in the server's own words: the `message`
carries text, type, code and parameter, from an `error` event of OpenAI's shape
or another, or from an HTTP body (JSON, text or page).

## Words of our own

| `vendor_info.code` | code | meaning |
|---|---|---|
| (no `vendor_info`) | -1000 | `invalid property: …`: the configuration is wrong; the text names the field |
| (no `vendor_info`) | 1000 | an audio frame was refused (the 1st, 10th, 100th … is reported), or the dump failed |
| `audio_dropped` | 1000 | undelivered audio gave way to `max_buffer_ms`, or the call was given up: how many ms and from where |
| `finalize_timeout` | 1000 | a finalize hit `finalize_timeout_ms`; its text follows when the service answers |
| `no_result` | 1000 | the service sent no result for a turn, twice; its audio is given up |
| `1006` | 1000 | the connection broke off |
| `no_answer` | 1000 | the server stopped answering or reading (`peer_timeout_ms`) |
| `no_session_updated` | 1000 | the server did not confirm the settings within 3 s ([core.md](core.md), "A server that does not confirm") |
| `internal` | 1000 | a fault of the extension's own, with its kind and place; the call goes on, and the connections are opened anew where they may be to blame |
| `refused`, `network`, `timeout` | 1000 | no connection could be opened |
| `tls`, `handshake` | 1000 | the other end is not the service, or its certificate is refused |
| `url` | -1000 | `websocket_base_url` cannot be dialed, or is a name of this machine that leads to another one |
| `proxy` | -1000 or 1000 | the proxy of the environment, named with its variable: it cannot be used (-1000), refuses (the verdict on its HTTP status as above; -1000 for the rules and passwords of SOCKS), or gave no connection (1000) |

A failed turn (`transcription.failed`) is sent again once; if it fails again,
it is reported with code 1000, the service's code, and where its audio lies in
the call. In a long outage the 1st, 2nd, 4th, 8th … attempt is reported, and so
are `error` events, internal errors and finalizes without an answer that say the
same again and again (`… (8 times by now)`; what stayed away for a minute begins
anew); dropped audio at once, then at growing distance, and every millisecond is in
one report.
"""  # noqa: E501


def _row(rule: Rule) -> str:
    place = {
        "code": "code",
        "type": "type",
        "refusal": "type, then CLOSE",
        "close": "CLOSE",
        "http": "HTTP",
    }
    return (
        f"| {place[rule.where]} | `{rule.sign}` | {rule.meaning} |"
        f" {_SEVERITY[rule.verdict]} | {_ACTION[rule.verdict]} |\n"
    )


def document() -> str:
    """The text of docs/errors.md."""
    legend = "".join(
        f"\n- {_row(rule).split('|')[1].strip()}: {_TITLES[rule.where]}"
        for n, rule in enumerate(RULES)
        if rule.where not in [earlier.where for earlier in RULES[:n]]
    )
    return _INTRODUCTION + "".join(map(_row, RULES)) + legend + "\n" + _REST


def short_table() -> str:
    """The README's version: one row for each thing that the extension does."""
    lines = ["| the extension | code | when |\n|---|---|---|\n"]
    for verdict in ("fatal", "at_once", "retry"):
        groups = []
        for where, title in (
            ("code", ""),
            ("refusal", "CLOSE 1008, 3000, 4000 after or with "),
            ("close", "CLOSE "),
            ("http", "HTTP "),
        ):
            signs = [
                f"`{rule.sign}`"
                for rule in RULES
                if (rule.where, rule.verdict) == (where, verdict)
            ]
            if signs:
                groups.append(title + ", ".join(signs))
        lines.append(
            f"| {_ACTION[verdict]} | {_SEVERITY[verdict]} |"
            f" {'; '.join(groups)} |\n"
        )
    return "".join(lines)


def with_short_table(text: str) -> str:
    """A document with its part between the marks brought up to date.

    Raises ValueError where it has no such part.
    """
    block = f"{BEGIN}\n\n{short_table()}\n{END}"
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    new, count = re.subn(pattern, lambda _: block, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"no place for the table: {BEGIN} … {END}")
    return new


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m devkit.error_table", description=__doc__
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--write", action="store_true", help="write the files")
    mode.add_argument("--check", action="store_true", help="compare the files")
    options = parser.parse_args()
    if not (options.write or options.check):
        sys.stdout.write(document())
        return 0
    try:
        readme = SHORT_DOCUMENT.read_text()
        wanted = {
            DOCUMENT: document(),
            SHORT_DOCUMENT: with_short_table(readme),
        }
        stale = [
            path
            for path, text in wanted.items()
            if not path.exists() or path.read_text() != text
        ]
        for path in stale:
            if options.write:
                path.write_text(wanted[path])
            else:
                print(
                    f"{path.relative_to(ROOT)} is not current", file=sys.stderr
                )
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
