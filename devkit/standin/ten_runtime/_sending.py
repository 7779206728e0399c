"""Sending, for the environments of extensions and testers.

Fire and forget is the default: then only "TEN is closed" comes back, and all
else that goes wrong is in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ._node import Node
from ._owner import Stage
from .audio_frame import AudioFrame
from .cmd import Cmd
from .cmd_result import CmdResult
from .data import Data
from .error import TenError, TenErrorCode
from .msg import Msg
from .send_options import SendOptions, waits
from .ten_env_base import TenEnvBase
from .video_frame import VideoFrame

Reply = tuple[CmdResult | None, TenError | None]
ResultCallback = Callable[[Any, CmdResult | None, TenError | None], None]
ErrorCallback = Callable[[Any, TenError | None], None]


def _check(message: object, kind: type[Msg]) -> None:
    if not isinstance(message, kind):
        raise TypeError(
            f"expected a {kind.__name__}, not {type(message).__name__}"
        )


def _reportable(
    error: TenError | None, options: SendOptions | None
) -> TenError | None:
    if error is None or waits(options):
        return error
    closed = TenErrorCode.ErrorCodeTenIsClosed
    return error if error.error_code() == closed else None


def _first_must_complete(result: CmdResult | None) -> None:
    # Not an assert statement: the runtime's manners hold under -O too.
    if result is not None and not result.is_completed():
        raise AssertionError(
            "send_cmd() got a result that is not the last; use send_cmd_ex()"
        )


class AsyncSending(TenEnvBase):
    """The sending half of ``AsyncTenEnv`` and ``AsyncTenEnvTester``."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._node = node

    async def send_cmd(self, cmd: Cmd) -> Reply:
        """Send and wait for the result.

        Raises ``AssertionError`` if the first result is not the last one.
        """
        replies, error = self._start(cmd, each=False)
        if error is not None:
            return None, error
        result, error = await replies.get()
        _first_must_complete(result)
        return result, error

    async def send_cmd_ex(self, cmd: Cmd) -> AsyncGenerator[Reply, None]:
        """Send and yield all results."""
        replies, error = self._start(cmd, each=True)
        if error is not None:
            yield None, error
            return
        while True:
            result, error = await replies.get()
            over = error is not None or result is None or result.is_completed()
            yield result, error
            if over:
                return

    def _start(
        self, cmd: Cmd, each: bool
    ) -> tuple[asyncio.Queue[Reply], TenError | None]:
        _check(cmd, Cmd)
        replies: asyncio.Queue[Reply] = asyncio.Queue()
        error = self._node.send_cmd(
            cmd, lambda result, err: replies.put_nowait((result, err)), each
        )
        return replies, error

    async def _send(
        self, message: Msg, kind: type[Msg], options: SendOptions | None
    ) -> TenError | None:
        _check(message, kind)
        return await self._tell(self._node.send(message), options)

    async def _tell(
        self, error: TenError | None, options: SendOptions | None
    ) -> TenError | None:
        if waits(options):
            await asyncio.sleep(0)  # the real one crosses a thread here
        return _reportable(error, options)

    async def send_data(
        self, data: Data, options: SendOptions | None = None
    ) -> TenError | None:
        """Send data."""
        return await self._send(data, Data, options)

    async def send_audio_frame(
        self, audio_frame: AudioFrame, options: SendOptions | None = None
    ) -> TenError | None:
        """Send an audio frame."""
        return await self._send(audio_frame, AudioFrame, options)

    async def send_video_frame(
        self, video_frame: VideoFrame, options: SendOptions | None = None
    ) -> TenError | None:
        """Send a video frame."""
        return await self._send(video_frame, VideoFrame, options)

    async def return_result(
        self, cmd_result: CmdResult, options: SendOptions | None = None
    ) -> TenError | None:
        """Answer a command."""
        _check(cmd_result, CmdResult)
        return await self._tell(self._node.return_result(cmd_result), options)


class SyncSending(TenEnvBase):
    """What ``TenEnv`` and ``TenEnvTester`` have in common."""

    def on_init_done(self) -> None:
        """on_init is over."""
        self._owner.stage_done(Stage.INIT)

    def on_start_done(self) -> None:
        """on_start is over."""
        self._owner.stage_done(Stage.START)

    def on_stop_done(self) -> None:
        """on_stop is over."""
        self._owner.stage_done(Stage.STOP)

    def on_deinit_done(self) -> None:
        """on_deinit is over; nothing works after it."""
        self._owner.stage_done(Stage.DEINIT)

    def _sender(self) -> Node:
        if not isinstance(self._owner, Node):
            raise RuntimeError("only extensions and testers can send")
        return self._owner

    def send_cmd(
        self, cmd: Cmd, result_handler: ResultCallback | None = None
    ) -> TenError | None:
        """Send; the handler gets ``(ten_env, result, error)`` once."""
        return self._send_cmd(cmd, result_handler, each=False)

    def send_cmd_ex(
        self, cmd: Cmd, result_handler: ResultCallback | None = None
    ) -> TenError | None:
        """Send; the handler gets each result."""
        return self._send_cmd(cmd, result_handler, each=True)

    def _send_cmd(
        self, cmd: Cmd, handler: ResultCallback | None, each: bool
    ) -> TenError | None:
        _check(cmd, Cmd)
        node = self._sender()

        def relay(result: CmdResult | None, error: TenError | None) -> None:
            if not each:
                _first_must_complete(result)
            if handler is not None:
                handler(self, result, error)

        error = node.send_cmd(cmd, relay, each)
        if error is None or handler is None or node.closed:
            return error
        assert node.driver is not None
        node.driver.call(lambda: handler(self, None, error))
        return None

    def _send(
        self, message: Msg, kind: type[Msg], handler: ErrorCallback | None
    ) -> TenError | None:
        _check(message, kind)
        return self._tell(self._sender().send(message), handler)

    def _tell(
        self, error: TenError | None, handler: ErrorCallback | None
    ) -> TenError | None:
        """The handler hears of the error in the place of the caller."""
        node = self._sender()
        if handler is None or node.closed:
            return _reportable(error, None)
        assert node.driver is not None
        node.driver.call(lambda: handler(self, error))
        return None

    def send_data(
        self, data: Data, error_handler: ErrorCallback | None = None
    ) -> TenError | None:
        """Send data; the handler gets ``(ten_env, error)``."""
        return self._send(data, Data, error_handler)

    def send_audio_frame(
        self,
        audio_frame: AudioFrame,
        error_handler: ErrorCallback | None = None,
    ) -> TenError | None:
        """Send an audio frame; the handler gets ``(ten_env, error)``."""
        return self._send(audio_frame, AudioFrame, error_handler)

    def send_video_frame(
        self,
        video_frame: VideoFrame,
        error_handler: ErrorCallback | None = None,
    ) -> TenError | None:
        """Send a video frame; the handler gets ``(ten_env, error)``."""
        return self._send(video_frame, VideoFrame, error_handler)

    def return_result(
        self, cmd_result: CmdResult, error_handler: ErrorCallback | None = None
    ) -> TenError | None:
        """Answer a command; the handler gets ``(ten_env, error)``."""
        _check(cmd_result, CmdResult)
        error = self._sender().return_result(cmd_result)
        return self._tell(error, error_handler)
