"""The TEN side of the captions: messages in, `ten:close_app` out."""

import asyncio
import contextlib
import json
import os
import sys
import time
from typing import Any

from ten_packages.extension.openai_asr_python.realtime.shown import one_line
from ten_runtime import AsyncExtension, AsyncTenEnv, Cmd, Data, Loc

from .notices import error_text
from .report import to_report
from .run_state import Ending, RunState
from .settings import Settings
from .transcript import Result, Transcript
from .views import PlainView, View, make_view
from .writers import replace_file, write

# How often it is checked whether the run is over or the window changed.
_TICK_S = 0.1


class CaptionsExtension(AsyncExtension):
    """Shows results as they come; ends the app when all has been said."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._settings = Settings()
        self._state = RunState(20.0, 30.0)
        self._transcript = Transcript()
        self._view: View = PlainView(sys.stdout)
        self._position_ms = 0
        self._problem = ""
        self._usable = True
        self._ending: Ending | None = None
        self._task: asyncio.Task[None] | None = None

    async def on_init(self, ten_env: AsyncTenEnv) -> None:
        # Nothing may leave a callback: the runtime would end the process.
        try:
            text, _ = await ten_env.get_property_to_json("")
            self._configure(json.loads(text or "{}"))
        except Exception as error:
            ten_env.log_error(f"captions: {error!r}")
            self._problem = one_line(f"captions: {error}")
            self._usable = False

    def _configure(self, properties: dict[str, Any]) -> None:
        try:
            self._settings = Settings.from_properties(properties)
        except ValueError as error:
            self._problem = one_line(f"captions: {error}")
            self._usable = False
            self._settings = Settings.report_only(properties)
        settings = self._settings
        self._state = RunState(
            finalize_wait_s=settings.finalize_wait_ms / 1000,
            reconnect_wait_s=settings.reconnect_wait_ms / 1000,
        )
        color = settings.color and not os.environ.get("NO_COLOR")
        self._view = make_view(sys.stdout, color=color)
        if self._problem:
            self._view.error(self._problem)

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._task = asyncio.create_task(self._watch(ten_env))

    async def on_stop(self, ten_env: AsyncTenEnv) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._finish(ten_env, "stopped")

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        # No await in here: so messages are handled in arrival order.
        if self._ending is not None:
            return
        name = data.get_name()
        try:
            text, _ = data.get_property_to_json("")
            body = json.loads(text or "{}")
            if isinstance(body, dict):
                self._handle(name, body, time.monotonic())
        except Exception as error:
            ten_env.log_error(f"captions: {name}: {error!r}")

    def _handle(self, name: str, body: dict[str, Any], now: float) -> None:
        state, view = self._state, self._view
        if name == "asr_result":
            state.result(now)
            self._show_result(Result.from_message(body))
        elif name == "source_progress":
            self._position_ms = int(body.get("position_ms") or 0)
            view.progress(self._position_ms, int(body.get("duration_ms") or 0))
            if body.get("done"):
                state.source_done(now)
        elif name == "source_error":
            self._problem = one_line(str(body.get("message") or "no audio"))
            state.source_failed()
            view.error(self._problem)
        elif name == "asr_finalize_end":
            state.finalize_ended()
        elif name == "error":
            state.error(body, now)
            view.error(error_text(body))
        elif name == "metrics":
            metrics = body.get("metrics")
            if isinstance(metrics, dict) and "connect_delay" in metrics:
                self._show_connected(state.connected(now))
        elif name == "connection_status_changed":
            current = str(body.get("current") or "")
            self._show_connected(state.status(current, now))

    def _show_result(self, result: Result) -> None:
        if self._transcript.add(result):
            # The interim goes first: its text must not be seen twice.
            self._view.interim(self._transcript.interim_text)
            self._view.final(result)
        else:
            self._view.interim(self._transcript.interim_text)

    def _show_connected(self, again: bool) -> None:
        if again:
            self._view.notice("connected again")

    async def _watch(self, ten_env: AsyncTenEnv) -> None:
        """Wait for the end of the run, then close the app."""
        ending: Ending | None = None if self._usable else "bad_settings"
        told = False
        while ending is None:
            await asyncio.sleep(_TICK_S)
            if self._state.waiting and not told:
                told = True
                seconds = round(self._state.reconnect_wait_s)
                self._view.hint(
                    f"the audio is over; waiting up to {seconds} s for the "
                    "service"
                )
            ending = self._state.ending(
                time.monotonic(),
                interim=bool(self._transcript.interim_text),
            )
            self._view.refresh()
        self._finish(ten_env, ending)
        try:
            close = Cmd.create("ten:close_app")
            close.set_dests([Loc("")])
            await ten_env.send_cmd(close)
        except Exception as error:
            ten_env.log_warn(f"captions: close_app: {error!r}")

    def _finish(self, ten_env: AsyncTenEnv, ending: Ending) -> None:
        """Write the files and give the terminal back; only once."""
        if self._ending is not None:
            return
        self._ending = ending
        settings, finals = self._settings, self._transcript.finals
        if settings.output_path is not None:
            try:
                write(settings.output_path, finals)
            except (OSError, ValueError) as error:
                self._problem = one_line(f"{settings.output_path}: {error}")
                self._view.error(self._problem)
        self._view.close()
        if settings.report_path is None:
            return
        report = to_report(
            ending,
            self._state,
            finals,
            position_ms=self._position_ms,
            problem=self._problem,
        )
        try:
            replace_file(settings.report_path, report)
        except OSError as error:
            ten_env.log_error(f"captions: report_path: {error}")
