"""What a message is inside the runtime.

The public message classes are handles. Sending takes the core out of the
sender's handle and puts it into the receiver's new one; no two handles ever
share a core, which is what keeps sender and receiver apart.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar

from typing_extensions import Self

from ._tree import Tree, copy_tree
from .loc import Loc

_cmd_ids = count(1)


@dataclass(eq=False)
class MsgCore:
    """Name, addresses and properties; ``kind`` is a graph's word for it."""

    kind: ClassVar[str] = "msg"
    name: str
    source: Loc = field(default_factory=Loc)
    dests: list[Loc] = field(default_factory=list)
    props: Tree = field(default_factory=dict)

    def clone(self) -> Self:
        """A deep copy that shares nothing changeable."""
        twin = copy.copy(self)
        twin.dests = list(self.dests)
        twin.props = copy_tree(self.props)
        return twin

    def is_locked(self) -> bool:
        """Whether somebody still holds the buffer."""
        return False


@dataclass(eq=False)
class BufferCore(MsgCore):
    """A message with bytes: data, audio and video."""

    buf: bytearray | None = None
    locks: list[memoryview] = field(default_factory=list)

    def clone(self) -> Self:
        """A deep copy; nobody holds its buffer."""
        twin = super().clone()
        twin.buf = None if self.buf is None else bytearray(self.buf)
        twin.locks = []
        return twin

    def alloc(self, size: int) -> None:
        """A new buffer, deliberately not zeros: TEN's are not either."""
        self.buf = bytearray(b"\xcd" * size)

    def lock(self) -> memoryview | None:
        """A writable view, or None if there is no buffer."""
        if self.buf is None:
            return None
        view = memoryview(self.buf)
        self.locks.append(view)
        return view

    def unlock(self, view: memoryview) -> bool:
        """Give a view back; False if it is not one of ours.

        The view is released, so that using it afterwards raises instead of
        writing into a message that somebody else owns by now.
        """
        for index, held in enumerate(self.locks):
            if held is view or (
                held.obj is view.obj and len(held) == len(view)
            ):
                del self.locks[index]
                self._release(held)
                return True
        return False

    def _release(self, view: memoryview) -> None:
        try:
            view.release()
        except BufferError:
            # Something (an array, a slice) still looks at these bytes: leave
            # them to it, unless another lock needs them to stay the same.
            if not self.locks and self.buf is not None:
                self.buf = bytearray(self.buf)

    def is_locked(self) -> bool:
        return bool(self.locks)


@dataclass(eq=False)
class DataCore(BufferCore):
    """See :class:`ten_runtime.data.Data`."""

    kind = "data"


@dataclass(eq=False)
class AudioCore(BufferCore):
    """See :class:`ten_runtime.audio_frame.AudioFrame`."""

    kind = "audio_frame"
    timestamp: int = 0
    sample_rate: int = 0
    samples_per_channel: int = 0
    bytes_per_sample: int = 0
    number_of_channels: int = 0
    data_fmt: int = 1
    line_size: int = 0
    eof: bool = False


@dataclass(eq=False)
class VideoCore(BufferCore):
    """See :class:`ten_runtime.video_frame.VideoFrame`."""

    kind = "video_frame"
    width: int = 0
    height: int = 0
    timestamp: int = 0
    pixel_fmt: int = 1
    eof: bool = False


@dataclass(eq=False)
class CmdCore(MsgCore):
    """A command; ``cmd_id`` is where its result belongs.

    ``parent_id`` is the id under which a forwarded command was received, so
    that the result which comes back can be returned as it is.
    """

    kind = "cmd"
    cmd_id: int = 0
    parent_id: int = 0
    graph_name: str = ""
    graph_id: str = ""

    def clone(self) -> Self:
        """A deep copy, which is a command of its own."""
        twin = super().clone()
        twin.cmd_id = twin.parent_id = 0
        return twin

    def renew(self) -> None:
        """Give a command that is about to travel an id of its own."""
        self.parent_id = self.cmd_id
        self.cmd_id = next(_cmd_ids)


@dataclass(eq=False)
class ResultCore(MsgCore):
    """A command's result."""

    kind = "cmd_result"
    name: str = "ten:result"
    cmd_id: int = 0
    cmd_name: str = ""
    status: int = 0
    final: bool = True
    completed: bool = False
