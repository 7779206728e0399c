"""Shows what is heard, writes it to a file, and closes the app at the end."""

import asyncio
import json
import sys
from time import monotonic
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from ten_ai_base.message import ModuleError
from ten_ai_base.struct import ASRResult
from ten_packages.extension.openai_asr_python.realtime.shown import one_line
from ten_runtime import AsyncExtension, AsyncTenEnv, Cmd, Data, Loc
from typing_extensions import override

from .run_state import FATAL, RunState
from .transcript import Transcript, write_report, write_transcript
from .view import View, clock

#: A server that is back at once is not worth a line, in seconds.
_WORTH_A_NOTE_S = 1.0


class Settings(BaseModel):
    """The node's properties; strings will do, as from `${env:…}`."""

    output_path: str = Field("", pattern=r"(?i)^$|\.(srt|vtt|json)$")
    report_path: str = ""
    wait_s: float = Field(30.0, ge=0, le=3600)


class CaptionsExtension(AsyncExtension):
    """Shows results as they come; ends the app when all has been said."""

    @override
    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        self._view, self._transcript = View(sys.stdout), Transcript()
        self._settings, self._problem = Settings(), ""
        self._played = (0, 0)  # ms, and of how many
        self._ending: str | None = None
        text, _ = await ten_env.get_property_to_json("")
        try:
            self._settings = Settings(**json.loads(text or "{}"))
        except ValidationError as error:
            wrong = error.errors()[0]
            self._fail(f"captions: {wrong['loc'][0]}: {wrong['msg']}")
            self._ending = "bad_settings"
        self._state = RunState(self._settings.wait_s)

    @override
    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._task = asyncio.create_task(self._close_at_end(ten_env))

    @override
    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        self._task.cancel()
        finals = self._transcript.finals
        if said := self._transcript.interim_text:
            self._view.line("(unfinished)", said, "dim")
        if path := self._settings.output_path:
            try:
                write_transcript(path, finals)
            except OSError as error:
                self._fail(f"{path}: {error}")
        self._view.stop()
        if path := self._settings.report_path:
            report = {
                "ending": self._ending or "stopped",
                "errors": self._state.errors,
                "given_up_ms": self._state.given_up_ms,
                "speed": self._state.speed,
                "unfinished": said,
                "problem": self._problem,
                "results": [final.model_dump() for final in finals],
            }
            try:
                write_report(path, report)
            except OSError as error:
                self._fail(f"{path}: {error}")

    @override
    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        # No await in here: so messages are handled in arrival order.
        try:
            text, _ = data.get_property_to_json("")
            self._handle(data.get_name(), json.loads(text or "{}"))
        except Exception as error:
            ten_env.log_error(f"captions: {data.get_name()}: {error!r}")

    def _handle(self, name: str, body: dict[str, Any]) -> None:
        view, transcript = self._view, self._transcript
        if self._state.message(name, body, monotonic()):
            view.line("✓", "connected again", "green")
        if name == "asr_result":
            result = ASRResult(**body)
            transcript.add(result)
            self._show()
            if result.final and result.text.strip():
                end_ms = result.start_ms + result.duration_ms
                times = f"[{clock(result.start_ms)} – {clock(end_ms)}]"
                view.line(times, result.text, "cyan")
        elif name == "source_progress":
            self._played = body["position_ms"], body["duration_ms"]
            self._show()
            if body.get("done") and self._state.lost:
                wait = f"waiting up to {self._settings.wait_s:.0f} s"
                view.line("…", f"the audio is over; {wait} for the service", "")
        elif name == "source_error":
            self._fail(body["message"])
        elif name == "error":
            error = ModuleError(**body)
            kind = "fatal error" if error.code == FATAL else "error"
            text = f"{error.module} {kind} {error.code}: {error.message}"
            if (vendor := error.vendor_info) and vendor.code:
                text += f" ({vendor.vendor} {vendor.code})"
            view.line("✗", text, "red")

    def _show(self) -> None:
        """What is not final yet, how far it is, and for what it waits."""
        note, lost_s = "", self._state.lost_for_s(monotonic())
        position_ms, _ = self._played
        if lost_s >= _WORTH_A_NOTE_S:
            kept_ms = position_ms - self._transcript.end_ms
            note = (
                f"the service has been silent for {lost_s:.0f} s;"
                f" {max(kept_ms, 0) / 1000:.1f} s of audio wait for it"
            )
        self._view.show(self._transcript.interim_text, *self._played, note)

    def _fail(self, problem: str) -> None:
        self._problem = one_line(problem)
        self._view.line("✗", problem, "red")

    async def _close_at_end(self, ten_env: AsyncTenEnv) -> None:
        while not self._ending:
            await asyncio.sleep(0.1)
            if self._state.lost:
                self._show()
            interim = bool(self._transcript.interim_text)
            self._ending = self._state.ending(monotonic(), interim=interim)
        close = Cmd.create("ten:close_app")
        close.set_dests([Loc("")])
        await ten_env.send_cmd(close)
