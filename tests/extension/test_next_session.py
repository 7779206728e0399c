"""The connection that is to follow a session is refused, over a socket."""

from __future__ import annotations

import json
import time

from asr_call import Call, properties, run_call, spoken, text_of
from raw_service import CREATED, Manners, RawService

from devkit.server import ServerThread

NON_FATAL = 1000
#: Shorter lives are not believed; the next session is opened in the last tenth.
LIFE_S = 12


def test_a_key_that_is_revoked_can_be_replaced_in_time():
    """The session says when it ends, but does not."""
    session = {**CREATED["session"], "expires_at": time.time() + LIFE_S}
    manners = [
        Manners(says=[{**CREATED, "session": session}]),
        Manners(http=(401, {}, b"")),
        Manners(),
    ]
    with RawService(manners) as service:

        async def script(call: Call) -> None:
            await call.until(lambda: call.errors)
            update = {"params": {"api_key": "sk-another-0123456789"}}
            await call.command("update_configs", json.dumps(update))
            await call.until(lambda: len(call.metric("connect_delay")) == 2)

        call = run_call(properties(service.url), script)
    [told] = call.errors
    assert told["code"] == NON_FATAL
    assert told["vendor_info"]["code"] == "401"
    assert "the next session is refused" in told["message"]
    assert service.connections == 3


def test_a_wish_is_kept_after_the_sessions_end():
    turns = [[1, 2], [3, 4]]
    audio, times = spoken(turns)
    middle = times[1][0] * 16
    with ServerThread(engine="script", session_seconds=LIFE_S) as server:

        async def script(call: Call) -> None:
            await call.send(audio[:middle])
            await call.until_finalized("a")
            server.refuse(True, http_status=429, retry_after=3)
            await call.until(lambda: call.errors)
            server.refuse(False)
            # The end of the session, which is told as an outage.
            await call.until(lambda: len(call.errors) == 2)
            await call.send(audio[middle:])
            await call.until_finalized("b")

        call = run_call(
            properties(server.url, finalize_timeout_ms=30000), script
        )
    assert call.texts == text_of(*turns)
    assert [error["code"] for error in call.errors] == [NON_FATAL] * 2
    ahead, lost = (error["message"] for error in call.errors)
    assert "this session ends in" in ahead
    assert "HTTP 429" in ahead
    assert "429" not in lost
    first, refused, third = server.sessions
    assert third.opened_at > first.closed_at
    assert third.opened_at - refused.opened_at >= 3
