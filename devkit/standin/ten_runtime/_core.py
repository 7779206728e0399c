"""What a message is inside the runtime.

The public message classes are handles. Sending takes the core out of the
sender's handle and puts it into the receiver's new one; no two handles ever
share a core, which is what keeps sender and receiver apart.
"""

from __future__ import annotations

from itertools import count
from typing import ClassVar, TypeVar

from ._tree import Tree, copy_tree
from .loc import Loc

CoreT = TypeVar("CoreT", bound="MsgCore")

_cmd_ids = count(1)


class MsgCore:
    """Name, addresses and properties; ``kind`` is a graph's word for it."""

    __slots__ = ("dests", "name", "props", "source")
    kind: ClassVar[str] = "msg"
    #: slots that a clone gets by plain assignment
    plain: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = Loc()
        self.dests: list[Loc] = []
        self.props: Tree = {}

    def clone(self: CoreT) -> CoreT:
        """A deep copy that shares nothing changeable."""
        twin = type(self)(self.name)
        twin.source = self.source
        twin.dests = list(self.dests)
        twin.props = copy_tree(self.props)
        for slot in self.plain:
            setattr(twin, slot, getattr(self, slot))
        self._clone_rest(twin)
        return twin

    def _clone_rest(self, twin: MsgCore) -> None:
        """Copy what is neither a property nor a plain slot."""

    def is_locked(self) -> bool:
        """Whether somebody still holds the buffer."""
        return False


class BufferCore(MsgCore):
    """A message with bytes: data, audio and video."""

    __slots__ = ("buf", "locks")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.buf: bytearray | None = None
        self.locks: list[memoryview] = []

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

    def _clone_rest(self, twin: MsgCore) -> None:
        assert isinstance(twin, BufferCore)
        twin.buf = None if self.buf is None else bytearray(self.buf)


class DataCore(BufferCore):
    """See :class:`ten_runtime.data.Data`."""

    __slots__ = ()
    kind = "data"


class AudioCore(BufferCore):
    """See :class:`ten_runtime.audio_frame.AudioFrame`."""

    plain = (
        "bytes_per_sample",
        "data_fmt",
        "eof",
        "line_size",
        "number_of_channels",
        "sample_rate",
        "samples_per_channel",
        "timestamp",
    )
    __slots__ = plain
    kind = "audio_frame"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.timestamp = 0
        self.sample_rate = 0
        self.samples_per_channel = 0
        self.bytes_per_sample = 0
        self.number_of_channels = 0
        self.data_fmt = 1
        self.line_size = 0
        self.eof = False


class VideoCore(BufferCore):
    """See :class:`ten_runtime.video_frame.VideoFrame`."""

    plain = ("eof", "height", "pixel_fmt", "timestamp", "width")
    __slots__ = plain
    kind = "video_frame"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.width = 0
        self.height = 0
        self.timestamp = 0
        self.pixel_fmt = 1
        self.eof = False


class CmdCore(MsgCore):
    """A command; ``cmd_id`` is where its result belongs.

    ``parent_id`` is the id under which a forwarded command was received, so
    that the result which comes back can be returned as it is.
    """

    plain = ("graph_id", "graph_json", "graph_name", "stage", "sync_stop")
    __slots__ = (*plain, "cmd_id", "parent_id")
    kind = "cmd"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.cmd_id = 0
        self.parent_id = 0
        self.graph_name = ""
        self.graph_json = ""
        self.graph_id = ""
        self.sync_stop = False
        self.stage = ""

    def renew(self) -> None:
        """Give a command that is about to travel an id of its own."""
        self.parent_id = self.cmd_id
        self.cmd_id = next(_cmd_ids)


class ResultCore(MsgCore):
    """A command's result."""

    plain = ("cmd_id", "cmd_name", "completed", "final", "status")
    __slots__ = plain
    kind = "cmd_result"

    def __init__(self, name: str = "ten:result") -> None:
        super().__init__(name)
        self.cmd_id = 0
        self.cmd_name = ""
        self.status = 0
        self.final = True
        self.completed = False
