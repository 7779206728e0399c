"""TEN's audio frames, on their way to the call.

The base class puts each frame into a queue, from where a task of its own gives
it to the call: a switch of tasks for each 10 ms of each call.  So while a call
runs and nothing waits there, a frame goes to the call at once.  Those that come
before wait in the queue, and where there is no connection yet in a buffer.  The
base empties the queue whenever the loop gets round to it and the buffer with
the next frame, and counts neither; all that is made good for here, and what is
in the buffer is taken out of it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from ten_ai_base.asr import AsyncASRBaseExtension
from ten_runtime import AudioFrame, AudioFrameDataFmt

from ..call.call import Call
from ..call.slot import CallSlot, SlotState
from ..connection.driver import now
from ..realtime.faults import Fault
from .dump import CallDump
from .owners import AudioOwners
from .reports import ErrorMessages

#: How often `IncomingFrames.drain` looks whether a base that it does not know
#: has handed all over; each look lets every other task run once.
_DRAIN_LOOKS = 1000
#: What takes the place of a ms of sound, in bytes, where it is no sound.
_REFUSED_A_MS = 32
_LAYOUTS = tuple(AudioFrameDataFmt)
#: The channels stand one after the other.
_PLANAR = AudioFrameDataFmt.NON_INTERLEAVE


@dataclass(eq=False, repr=False)
class IncomingFrames:
    """Every frame's sound goes to the call, or is counted as lost."""

    _base: AsyncASRBaseExtension
    _slot: CallSlot
    _errors: ErrorMessages
    _dump: CallDump
    _owners: AudioOwners
    _complaints: int = 0
    _layout_told: bool = False
    _known_metadata: str = ""
    #: Those that came before a connection, with the ms of each, and in all.
    _early: deque[tuple[AudioFrame, Fraction]] = field(default_factory=deque)
    _early_ms: Fraction = Fraction(0)

    # -- as they come ------------------------------------------------------

    def receive(self, frame: AudioFrame) -> bool:
        """Look at a frame that came, and give it to the call; False: the base
        shall have it first."""
        self._look_at_metadata(frame)
        try:
            data = frame.get_buf()
        except Exception:
            self._complain("audio frame refused: it has no buffer")
            return True
        dumper = self._dump.dumper
        if data and dumper is not None:
            # Here nothing has been dropped or put into another order yet.
            planar = frame.get_data_fmt() == _PLANAR
            dumper.frame(data, *_form(frame), planar)
        call, base = self._slot.call, self._base
        if (
            data
            and call is not None
            and call.running
            and base.audio_frames_queue.empty()
            and base.buffered_frames.empty()
        ):
            if self._push(call, frame, data):
                self._note_first()
            return True
        if self._slot.state is SlotState.INERT:
            # The base lets it go; an update may yet make a call of the rest.
            self._miss(frame)
        return False

    def _look_at_metadata(self, frame: AudioFrame) -> None:
        text, error = frame.get_property_to_json("metadata")
        if error is None and text and text != self._known_metadata:
            self._read_metadata(frame, text)

    def _read_metadata(self, frame: AudioFrame, text: str) -> None:
        try:
            metadata = json.loads(text)
        except (ValueError, RecursionError):
            metadata = None
        base = self._base
        if not isinstance(metadata, dict):
            # The base would lose the whole frame over it.
            known = json.dumps(base.metadata or {})
            frame.set_property_from_json("metadata", known)
            return
        self._known_metadata = text
        if "asr_info" in metadata:
            del metadata["asr_info"]
            # It would replace the result's own, or make TEN refuse it.
            frame.set_property_from_json("metadata", json.dumps(metadata))
            # So in each frame.
            self._known_metadata = ""
        # As the base does when it hands a frame over; before there is a
        # connection what is sent shall carry the session's id as well.
        if metadata or base.is_connected():
            base.metadata = metadata
        session_id = metadata.get("session_id")
        if isinstance(session_id, str):
            base.session_id = session_id

    # -- to the call ------------------------------------------------------

    def take(self, frame: AudioFrame) -> bool:
        """Give the call a frame that the base had; False where it cannot use
        it."""
        if self._slot.refused:
            self._miss(frame)
        call = self._slot.call
        if call is None or not call.running:
            return False
        return self._push(call, frame, frame.get_buf())

    def _note_first(self) -> None:
        """The base does so with what it hands over."""
        if self._base.first_audio_time is None:
            self._base.first_audio_time = now()

    def _push(self, call: Call, frame: AudioFrame, data: bytearray) -> bool:
        layout = frame.get_data_fmt()
        if layout not in _LAYOUTS and not self._layout_told:
            self._layout_told = True
            self._tell(
                f"audio frame: data_fmt {layout} is neither 1 (interleaved)"
                " nor 2 (planar); such frames are taken for interleaved"
            )
        start_ms = call.received_ms
        if self._owners.frame(self._slot.audio.position_ms(start_ms)):
            call.end_turn()
        try:
            added_ms = call.push(data, *_form(frame), layout != _PLANAR)
        except ValueError as error:
            self._complain(
                f"audio frame refused: {error};"
                f" {len(data)} bytes {self._place(start_ms)} are lost"
            )
            return False
        cut, uneven = call.take_lost_bytes()
        if cut:
            self._complain(
                "audio frame: the format changed in the middle of a sample,"
                f" {cut} byte(s) of it are lost {self._place(start_ms)}"
            )
        if uneven:
            self._complain(
                "audio frame: its channels are not equally long,"
                f" {uneven} byte(s) are lost {self._place(start_ms)}"
            )
        self._base.audio_timeline.add_user_audio(added_ms)
        return True

    def _place(self, in_call_ms: int) -> str:
        return f"at {self._slot.audio.position_ms(in_call_ms)} ms"

    def _complain(self, text: str) -> None:
        # One bad frame is rarely alone: report the 1st, 10th, 100th …
        self._complaints += 1
        if str(self._complaints).strip("0") == "1":
            self._tell(text)

    def _tell(self, text: str) -> None:
        self._errors.send_soon(Fault("report", "", text))

    # -- frames that came before there is a connection --------------------

    @property
    def waiting(self) -> bool:
        """Are there any?"""
        return bool(self._early) or not self._base.buffered_frames.empty()

    def evict(self) -> None:
        """Let the oldest give way where more than `max_buffer_ms` came; the
        times of the others stay true."""
        config = self._slot.config
        if config is None or self._slot.state is not SlotState.IDLE:
            return
        while not self._base.buffered_frames.empty():
            frame = self._base.buffered_frames.get_nowait()
            ms = self._length_ms(frame)
            # What no call takes is told when there is one, and bounded as well.
            ms = ms or Fraction(len(frame.get_buf()), _REFUSED_A_MS)
            self._early.append((frame, ms))
            self._early_ms += ms
        self._base.buffered_frames_size = 0
        while self._early and self._early_ms > config.max_buffer_ms:
            self._lose(self._next_early())

    def _next_early(self) -> AudioFrame:
        frame, ms = self._early.popleft()
        self._early_ms -= ms
        return frame

    def hand_over(self) -> None:
        """Give the call what came before it ran: speech that ended by then
        must not wait for another frame."""
        for frame in self._all_early():
            # Later ones may have been another caller's.
            self._look_at_metadata(frame)
            if self.take(frame):
                self._note_first()

    def write_off(self) -> None:
        """Count what no call will take as lost."""
        for frame in self._all_early():
            self._lose(frame)

    def _all_early(self) -> Iterator[AudioFrame]:
        while self._early:
            yield self._next_early()
        frames = self._base.buffered_frames
        while not frames.empty():
            yield frames.get_nowait()
        self._base.buffered_frames_size = 0

    async def drain(self) -> None:
        """Take the frames that came before from the base's queue.

        Else there may be frames in it by then that came later, and a finalize
        in between would cut a word of the next turn.
        """
        frames = self._base.audio_frames_queue
        handle = getattr(self._base, "_handle_audio_frame", None)
        if handle is None:
            # A base that does it otherwise: wait for it.
            for _ in range(_DRAIN_LOOKS):
                if frames.empty():
                    break
                await asyncio.sleep(0)
            return
        while not frames.empty():
            frame = frames.get_nowait()
            try:
                await handle(self._base.ten_env, frame)
            except Exception as error:
                await self._errors.internal("on_audio_frame", error)
            self.evict()

    def _miss(self, frame: AudioFrame) -> None:
        """There is no call for it; the base has its metadata: a finalize that
        waits for the next call is answered with these."""
        self._owners.frame(self._slot.audio.end_ms(self._slot.call))
        self._lose(frame)

    def _lose(self, frame: AudioFrame) -> None:
        """No call gets it."""
        self._slot.audio.lose(self._length_ms(frame))

    def _length_ms(self, frame: AudioFrame) -> Fraction:
        rate, channels, width = _form(frame)
        return Call.length_ms(
            len(frame.get_buf()),
            rate or self._base.input_audio_sample_rate(),
            channels or self._base.input_audio_channels(),
            width or 2,
        )


def _form(frame: AudioFrame) -> tuple[int, int, int]:
    """Rate (Hz), channels and bytes per sample, 0 where it does not say."""
    return (
        frame.get_sample_rate(),
        frame.get_number_of_channels(),
        frame.get_bytes_per_sample(),
    )
