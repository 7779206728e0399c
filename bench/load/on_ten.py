"""Many calls on a TEN host.

``python -m bench.load.on_ten PATH URL PLAN NOTES``.  Each call is a graph of
two extensions, as TEN hosts calls: one that feeds frames and gets results, and
the one that is measured.  ``PATH``: ``feed`` (nobody listens), ``floor``,
``default`` or ``server`` (the extension with a local detector, with the
server's turns).  DEVKIT_RUNTIME chooses the host.  The process ends without
stopping the calls: that is not measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from devkit.bootstrap import ensure_ten

ensure_ten()

from ten_runtime import (  # noqa: E402
    Addon,
    App,
    AsyncExtension,
    AsyncTenEnv,
    AudioFrame,
    Data,
    TenEnv,
    register_addon_as_extension,
)

from devkit.calls import pcm_frame  # noqa: E402

from .feed import Feed  # noqa: E402
from .floor import Floor  # noqa: E402
from .plan import RATE, Plan  # noqa: E402

_MODELS = {"default": "gpt-live-transcribe", "server": "gpt-4o-transcribe"}


class Hall:
    """All feeding extensions of the process; the last one starts the feed."""

    def __init__(self, plan: Plan, notes: Path, feed: type[Feed]) -> None:
        self._notes = notes
        self._envs: list[AsyncTenEnv | None] = [None] * len(plan.starts)
        self.feed = feed(plan, self._send)

    async def _send(self, call: int, frame: bytes) -> None:
        env = self._envs[call]
        assert env is not None
        await env.send_audio_frame(pcm_frame(frame, RATE))

    def enter(self, call: int, env: AsyncTenEnv) -> None:
        self._envs[call] = env
        if None not in self._envs:
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        status = 1
        try:
            await self.feed.run(self._notes)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)


hall: Hall


class Feeder(AsyncExtension):
    """The rest of a call: audio to the neighbour, results from it."""

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        self._call = int(self.name.rpartition("_")[2])
        hall.enter(self._call, ten_env)

    async def on_data(self, ten_env: AsyncTenEnv, data: Data) -> None:
        if data.get_name() == "asr_result":
            text, _ = data.get_property_to_json("text")
            final, _ = data.get_property_bool("final")
            hall.feed.result(self._call, json.loads(text), final)
        elif data.get_name() == "error":
            message, _ = data.get_property_to_json("message")
            hall.feed.error(self._call, json.loads(message))


class Nobody(AsyncExtension):
    """Takes the frames."""

    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        audio_frame.get_buf()


class FloorExtension(AsyncExtension):
    """The floor as an extension."""

    async def on_start(self, ten_env: AsyncTenEnv) -> None:
        url, _ = await ten_env.get_property_string("url")
        self._env = ten_env
        self._jobs: set[asyncio.Task[None]] = set()
        self._floor = Floor(url, self._on_result)
        await self._floor.start()

    def _on_result(self, text: str, final: bool) -> None:
        job = asyncio.create_task(self._send_result(text, final))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _send_result(self, text: str, final: bool) -> None:
        data = Data.create("asr_result")
        result = {"text": text, "final": final}
        data.set_property_from_json(None, json.dumps(result))
        await self._env.send_data(data)

    async def on_audio_frame(
        self, ten_env: AsyncTenEnv, audio_frame: AudioFrame
    ) -> None:
        await self._floor.push(bytes(audio_frame.get_buf()))


def _addon(name: str, kind: type[AsyncExtension]) -> None:
    @register_addon_as_extension(name, __file__)
    class _Addon(Addon):
        def on_create_instance(
            self, ten_env: TenEnv, name: str, context: object
        ) -> None:
            ten_env.on_create_instance_done(kind(name), context)


def _graph(path: str, url: str, call: int) -> dict[str, Any]:
    url = url.format(call=call)
    addon = f"bench_{path}"
    properties: dict[str, Any] = {"url": url}
    if path in _MODELS:
        transcription = {"model": _MODELS[path], "languages": ["en"]}
        params = {
            "api_key": "sk-local",
            "base_url": url,
            "input_audio_transcription": transcription,
        }
        addon, properties = "openai_asr_python", {"params": params}
    feeder, listener = f"feeder_{call}", f"stt_{call}"

    def node(name: str, addon: str, given: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "extension",
            "name": name,
            "addon": addon,
            "extension_group": f"call_{call}",
            "property": given,
        }

    def link(source: str, kind: str, name: str, to: str) -> dict[str, Any]:
        way = {"name": name, "dest": [{"extension": to}]}
        return {"extension": source, kind: [way]}

    return {
        "name": f"call_{call}",
        "auto_start": True,
        "graph": {
            "nodes": [
                node(feeder, "bench_feeder", {}),
                node(listener, addon, properties),
            ],
            "connections": [
                link(feeder, "audio_frame", "pcm_frame", listener),
                link(listener, "data", "asr_result", feeder),
            ],
        },
    }


def main(
    path: str, url: str, plan: Plan, notes: Path, feed: type[Feed] = Feed
) -> None:
    """Feed so many calls; ``{call}`` in ``url`` becomes a call's number."""
    global hall
    hall = Hall(plan, notes, feed)
    _addon("bench_feeder", Feeder)
    _addon("bench_feed", Nobody)
    _addon("bench_floor", FloorExtension)
    graphs = [_graph(path, url, call) for call in range(len(plan.starts))]

    class BenchApp(App):
        def on_configure(self, ten_env: TenEnv) -> None:
            ten = {"predefined_graphs": graphs}
            ten_env.init_property_from_json(json.dumps({"ten": ten}))
            ten_env.on_configure_done()

    BenchApp().run(False)


if __name__ == "__main__":
    path, url, plan_file, notes_file = sys.argv[1:]
    main(path, url, Plan.read(Path(plan_file)), Path(notes_file))
