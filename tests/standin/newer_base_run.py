"""Played by ``test_newer_asr_base.py`` in a process of its own.

The generation of the base is chosen at import, once per process. Prints what
the tester saw, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from devkit.bootstrap import ensure_ten

ensure_ten()

from asr_probe import ProbeAsr  # noqa: E402
from ten_ai_base import struct, utils  # noqa: E402
from ten_probe import Probe, install  # noqa: E402
from ten_runtime import AsyncTenEnvTester, Cmd  # noqa: E402

SECRET = "no-key-but-a-text-as-long-as-one"


class NewerAsr(ProbeAsr):
    """Knows its vendor session."""

    def vendor_metadata(self) -> dict[str, Any]:
        return {"model": "m", "api_key": SECRET}

    async def obey(self, cmd: Cmd) -> None:
        call: Any = getattr(self, cmd.get_name(), None)
        if cmd.get_name() == "on_disconnected":
            await call(code=1000, message="gone", vendor_info=None)
        elif call is not None:
            await call()
        else:
            await super().obey(cmd)


async def script(env: AsyncTenEnvTester, probe: Probe) -> None:
    for name in (
        "on_connected",
        "start_connection",
        "start_connection",
        "on_connected",
        "on_connected",
        "start_connection",
        "on_disconnected",
        "on_connected",
        "error",
        "send_asr_finalize_end",
    ):
        await env.send_cmd(Cmd.create(name))


def main() -> None:
    probe = Probe(script, until=6)
    error = probe.play(
        install(Path(sys.argv[1]), NewerAsr), {"auto_connect": False}
    )
    assert error is None, error
    url = "wss://user:pw@host/v1?key=abc&x"
    facts = {
        "seen": probe.seen,
        "redacted": utils.redact_url(url),
        "has_results": hasattr(struct, "ASRResults"),
    }
    print(json.dumps(facts))


main()
