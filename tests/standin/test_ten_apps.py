"""Apps with graphs of their own, and what the stand-in gives up on."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from ten_probe import Probe, install, node, standin_only
from ten_runtime import (
    Addon,
    App,
    AsyncExtension,
    AsyncTenEnv,
    AudioFrame,
    Cmd,
    Loc,
    StartGraphCmd,
    StatusCode,
    StopGraphCmd,
    TenEnv,
    TenErrorCode,
    VideoFrame,
    register_addon_as_extension,
)

# The real runtime has one app per process, and the session has it already.
pytestmark = standin_only

HANG_GUARD_S = 60


class GraphApp(App):
    """An app with predefined graphs."""

    def __init__(self, graphs: list[dict[str, Any]]) -> None:
        super().__init__()
        self._graphs = graphs
        self.stages: list[str] = []

    def on_configure(self, ten_env: TenEnv) -> None:
        self.stages.append("configure")
        ten_env.init_property_from_json(
            json.dumps({"ten": {"predefined_graphs": self._graphs}})
        )
        ten_env.on_configure_done()

    def on_init(self, ten_env: TenEnv) -> None:
        self.stages.append("init")
        ten_env.on_init_done()

    def on_deinit(self, ten_env: TenEnv) -> None:
        self.stages.append("deinit")
        ten_env.on_deinit_done()


def play(*graphs: dict[str, Any]) -> list[str]:
    """Run an app until somebody closes it; returns its stages."""
    stages: list[str] = []

    def live() -> None:
        app = GraphApp(list(graphs))
        app.run(False)
        stages.extend(app.stages)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    thread.join(HANG_GUARD_S)
    assert not thread.is_alive()
    return stages


def _graph(name: str, *nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "graph": {"nodes": list(nodes)}, **more}


async def _to_app(env: AsyncTenEnv, cmd: Cmd) -> StatusCode:
    cmd.set_dests([Loc("")])
    result, error = await env.send_cmd(cmd)
    assert error is None
    assert result is not None
    return result.get_status_code()


_sent: list[Any] = []


async def _close_app(env: AsyncTenEnv) -> None:
    """Not waited for: the result comes when all is over."""
    cmd = Cmd.create("ten:close_app")
    cmd.set_dests([Loc("")])
    _sent.append(asyncio.ensure_future(env.send_cmd(cmd)))
    await asyncio.sleep(0)


def test_graphs_start_and_stop_on_command(tmp_path: Path) -> None:
    notes: list[Any] = []

    class Other(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            notes.append("other started")
            await _to_app(ten_env, StopGraphCmd.create())

        async def on_deinit(self, ten_env: AsyncTenEnv) -> None:
            notes.append("other ended")
            await _close_app(ten_env)

    class Main(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            unknown = StartGraphCmd.create()
            unknown.set_predefined_graph_name("nowhere")
            notes.append(await _to_app(ten_env, unknown))
            start = StartGraphCmd.create()
            start.set_predefined_graph_name("other")
            notes.append(await _to_app(ten_env, start))

        async def on_deinit(self, ten_env: AsyncTenEnv) -> None:
            notes.append("main ended")

    stages = play(
        _graph("main", node("m", install(tmp_path, Main)), auto_start=True),
        _graph("other", node("o", install(tmp_path, Other))),
    )
    assert notes[0] is StatusCode.ERROR
    assert notes.index("other started") < notes.index("other ended")
    assert notes[-1] == "main ended"
    assert stages == ["configure", "init", "deinit"]


@pytest.mark.parametrize("sync_stop", [True, False])
def test_sync_stop_before_deinit(tmp_path: Path, sync_stop: bool) -> None:
    notes: list[str] = []
    deinit = threading.Event()

    class Quick(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            await _close_app(ten_env)

        async def on_stop(self, ten_env: AsyncTenEnv) -> None:
            notes.append("quick stopped")

        async def on_deinit(self, ten_env: AsyncTenEnv) -> None:
            notes.append("quick deinit")
            deinit.set()

    class Slow(AsyncExtension):
        async def on_stop(self, ten_env: AsyncTenEnv) -> None:
            if not sync_stop:
                assert await asyncio.to_thread(deinit.wait, HANG_GUARD_S)
            notes.append("slow stopped")

    nodes = [
        node("a", install(tmp_path, Quick)),
        node("b", install(tmp_path, Slow)),
    ]
    more = {"auto_start": True, "sync_stop_before_deinit": sync_stop}
    play(_graph("main", *nodes, **more))
    order = notes.index("slow stopped") < notes.index("quick deinit")
    assert order is sync_stop


def test_a_stage_without_end_is_given_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stuck(AsyncExtension):
        async def on_stop(self, ten_env: AsyncTenEnv) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("ten_runtime._engine.CLOSE_LIMIT_S", 0.05)
    error = Probe().play(install(tmp_path, Stuck))
    assert error is not None
    assert error.error_code() == TenErrorCode.ErrorCodeTimeout
    assert "on_stop did not end" in caplog.text


def test_an_exception_in_an_addon_ends_the_run(tmp_path: Path) -> None:
    @register_addon_as_extension("probe_bad_addon", str(tmp_path / "addon.py"))
    class BadAddon(Addon):
        def on_create_instance(
            self, ten_env: TenEnv, name: str, context: object
        ) -> None:
            raise LookupError("no instance today")

    error = Probe().play("probe_bad_addon")
    assert error is not None
    assert "LookupError: no instance today" in error.error_message()


def test_video_and_audio_come_back_in_order(tmp_path: Path) -> None:
    class Frames(AsyncExtension):
        async def on_start(self, ten_env: AsyncTenEnv) -> None:
            video = VideoFrame.create("v")
            video.set_width(4)
            await ten_env.send_video_frame(video)
            await ten_env.send_audio_frame(AudioFrame.create("a"))

    got: list[Any] = []

    class Watcher(Probe):
        async def on_video_frame(
            self, ten_env: Any, video_frame: VideoFrame
        ) -> None:
            got.append(video_frame.get_width())

        async def on_audio_frame(
            self, ten_env: Any, audio_frame: AudioFrame
        ) -> None:
            got.append(audio_frame.get_name())
            ten_env.stop_test()

    assert Watcher(until=1).play(install(tmp_path, Frames)) is None
    assert got == [4, "a"]
