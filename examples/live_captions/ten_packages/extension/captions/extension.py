"""Shows what is heard, writes it to a file, and closes the app at the end."""

import asyncio
import json
import os
import sys
import time
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from ten_packages.extension.openai_asr_python.realtime.shown import one_line
from ten_runtime import AsyncExtension, AsyncTenEnv, Cmd, Data, Loc
from typing_extensions import override

from .files import json_text, replace_file, write_transcript
from .run_state import RunState, is_fatal
from .transcript import Result, Transcript
from .view import View, clock

_HOUR_MS = 3_600_000


class Settings(BaseModel):
    """The node's properties; strings will do, as from `${env:…}`."""

    output_path: str = Field("", pattern=r"(?i)^$|\.(srt|vtt|json)$")
    report_path: str = ""
    finalize_wait_ms: float = Field(20_000, ge=0, le=_HOUR_MS)
    reconnect_wait_ms: float = Field(30_000, ge=0, le=_HOUR_MS)
    color: bool = True


class CaptionsExtension(AsyncExtension):
    """Shows results as they come; ends the app when all has been said."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._transcript = Transcript()
        self._position_ms = self._duration_ms = 0
        self._problem = self._ending = ""
        self._task: asyncio.Task[None] | None = None

    @override
    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        text, _ = await ten_env.get_property_to_json("")
        # Blank means not given.
        given = {k: v for k, v in json.loads(text or "{}").items() if v != ""}
        problem = ""
        try:
            settings = Settings(**given)
        except ValidationError as error:
            wrong = error.errors()[0]
            problem = f"captions: {wrong['loc'][0]}: {wrong['msg']}"
            settings = Settings(report_path=str(given.get("report_path", "")))
        color = settings.color and not os.environ.get("NO_COLOR")
        self._settings, self._view = settings, View(sys.stdout, color=color)
        self._state = RunState(
            settings.finalize_wait_ms / 1000, settings.reconnect_wait_ms / 1000
        )
        if problem:
            self._state.bad_settings = True
            self._fail(problem)

    @override
    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._task = asyncio.create_task(self._watch(ten_env))

    @override
    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._finish(ten_env, "stopped")

    @override
    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        # No await in here: so messages are handled in arrival order.
        try:
            text, _ = data.get_property_to_json("")
            if not self._ending:
                self._handle(data.get_name(), json.loads(text or "{}"))
        except Exception as error:
            ten_env.log_error(f"captions: {data.get_name()}: {error!r}")

    def _handle(self, name: str, body: dict[str, Any]) -> None:
        if self._state.message(name, body, time.monotonic()):
            self._view.line("✓", "connected again", style="green")
        if name == "asr_result":
            given = {k: v for k, v in body.items() if v is not None}
            result = Result(**given)
            said = self._transcript.add(result)
            self._draw()  # first, so that no text is seen twice
            if said:
                start, end = clock(result.start_ms), clock(result.end_ms)
                self._view.line(f"[{start} – {end}]", result.text, style="cyan")
        elif name == "source_progress":
            self._position_ms = int(body.get("position_ms") or 0)
            self._duration_ms = int(body.get("duration_ms") or 0)
            self._draw()
        elif name == "source_error":
            self._fail(str(body.get("message") or "no audio"))
        elif name == "error":
            self._view.line("✗", error_text(body), style="red")

    def _draw(self) -> None:
        interim = self._transcript.interim_text
        self._view.update(interim, self._position_ms, self._duration_ms)

    async def _watch(self, ten_env: AsyncTenEnv) -> None:
        """Wait for the end of the run, then close the app."""
        ending = self._state.ending(0.0)
        wait_s = round(self._state.reconnect_wait_s)
        hint = f"the audio is over; waiting up to {wait_s} s for the service"
        while ending is None:
            await asyncio.sleep(0.1)
            if self._state.waiting and hint:
                self._view.line("…", hint, style="dim")
                hint = ""
            self._draw()  # the window may have changed
            interim = bool(self._transcript.interim_text)
            ending = self._state.ending(time.monotonic(), interim=interim)
        self._finish(ten_env, ending)
        close = Cmd.create("ten:close_app")
        close.set_dests([Loc("")])
        await ten_env.send_cmd(close)

    def _finish(self, ten_env: AsyncTenEnv, ending: str) -> None:
        """Write the files and give the terminal back; only once."""
        if self._ending:
            return
        self._ending, settings = ending, self._settings
        state, finals = self._state, self._transcript.finals
        if settings.output_path:
            try:
                write_transcript(settings.output_path, finals)
            except (OSError, ValueError) as error:
                self._fail(f"{settings.output_path}: {error}")
        self._view.close()
        if not settings.report_path:
            return
        shown = {"start_ms", "duration_ms", "text"}
        report = {
            "ending": ending,
            "finals": len(finals),
            "errors": len(state.errors),
            "fatal_error": state.fatal_error,
            "last_error": state.errors[-1] if state.errors else None,
            "position_ms": self._position_ms,
            "problem": self._problem,
            "results": [final.model_dump(include=shown) for final in finals],
        }
        try:
            replace_file(settings.report_path, json_text(report))
        except (OSError, ValueError) as error:
            ten_env.log_error(f"captions: report_path: {error}")

    def _fail(self, problem: str) -> None:
        self._problem = one_line(problem)
        self._view.line("✗", problem, style="red")


def error_text(body: dict[str, Any]) -> str:
    """A TEN `error`: `asr error 1000: gone (openai 1006: no close frame)`."""
    kind = "fatal error" if is_fatal(body) else "error"
    text = f"{body.get('module') or '?'} {kind} {body.get('code')}: "
    text += str(body.get("message") or "")
    vendor = body.get("vendor_info")
    vendor = vendor if isinstance(vendor, dict) else {}
    names = [str(vendor[key]) for key in ("vendor", "code") if vendor.get(key)]
    said = str(vendor.get("message") or "")
    more = [" ".join(names), "" if said in text else said]
    more_text = ": ".join(filter(None, more))
    return f"{text} ({more_text})" if more_text else text
