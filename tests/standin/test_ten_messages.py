"""Manners of messages, buffers and values."""

from __future__ import annotations

import json

import pytest
import ten_runtime
from ten_probe import standin_only
from ten_runtime import (
    AudioFrame,
    AudioFrameDataFmt,
    Cmd,
    CmdResult,
    Data,
    Loc,
    PixelFmt,
    StatusCode,
    TenError,
    TenErrorCode,
    Value,
    ValueType,
    VideoFrame,
)


def test_every_public_name_is_there() -> None:
    wanted = [
        "Addon",
        "_AddonManager",
        "register_addon_as_extension",
        "App",
        "Extension",
        "AsyncExtension",
        "TenEnv",
        "TenErrorCode",
        "AsyncTenEnv",
        "SendOptions",
        "Cmd",
        "StatusCode",
        "StartGraphCmd",
        "StopGraphCmd",
        "TriggerLifeCycleCmd",
        "VideoFrame",
        "AudioFrame",
        "Data",
        "CmdResult",
        "PixelFmt",
        "AudioFrameDataFmt",
        "LogLevel",
        "LogOption",
        "DefaultLogOption",
        "ExtensionTester",
        "TenEnvTester",
        "TenError",
        "Value",
        "ValueType",
        "AsyncExtensionTester",
        "AsyncTenEnvTester",
        "Loc",
    ]
    assert [name for name in wanted if not hasattr(ten_runtime, name)] == []
    assert not hasattr(ten_runtime, "Msg")


def test_errors_are_values_with_methods() -> None:
    error = TenError.create(TenErrorCode.ErrorCodeTimeout, "late")
    assert (error.error_code(), error.error_message()) == (8, "late")
    assert str(error) == "error_code: 8, error_message: late"
    assert not isinstance(error, Exception)
    with pytest.raises(ValueError):  # noqa: PT011
        TenError()


@pytest.mark.parametrize("kind", [Cmd, Data, AudioFrame, VideoFrame])
def test_messages_come_from_factories_only(kind: type[Data]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        kind()
    message = kind.create("hello")
    assert message.get_name() == "hello"
    message.set_name("bye")
    assert message.clone().get_name() == "bye"


def test_getters_do_not_convert() -> None:
    message = Data.create("d")
    message.set_property_from_json(
        "", '{"i": 1, "f": 1.5, "s": "x", "b": true, "n": null}'
    )
    assert message.get_property_int("i") == (1, None)
    assert message.get_property_float("f") == (1.5, None)
    assert message.get_property_string("s") == ("x", None)
    assert message.get_property_bool("b") == (True, None)
    for value, error in (
        message.get_property_float("i"),
        message.get_property_int("f"),
        message.get_property_int("b"),
        message.get_property_string("n"),
        message.get_property_int("missing"),
        message.get_property_int(""),
    ):
        assert not value
        assert error is not None


def test_paths_reach_into_objects_and_arrays() -> None:
    message = Data.create("d")
    message.set_property_from_json(None, '{"a": [{"b": 1}, {"b": 2}]}')
    assert message.get_property_int("a[1].b") == (2, None)
    assert message.get_property_int("a[2].b")[1] is not None
    assert message.set_property_string("x.y", "deep") is None
    assert message.get_property_string("x.y") == ("deep", None)
    assert message.set_property_int("x.y.z", 3) is None
    assert message.get_property_int("x.y.z") == (3, None)


def test_a_missing_key_between_is_skipped() -> None:
    message = Data.create("d")
    message.set_property_string("b", "outer")
    assert message.get_property_string("missing.b") == ("outer", None)


def test_json_replaces_all_or_one() -> None:
    message = Data.create("d")
    message.set_property_int("old", 1)
    assert message.set_property_from_json("new", '{"k": [1, 2.0]}') is None
    text, error = message.get_property_to_json()
    assert error is None
    assert json.loads(text) == {"old": 1, "new": {"k": [1, 2.0]}}
    assert message.set_property_from_json(None, '{"only": 1}') is None
    assert json.loads(message.get_property_to_json("")[0]) == {"only": 1}
    error = message.set_property_from_json(None, "{")
    assert error is not None
    text, error = message.get_property_to_json("missing")
    assert text == ""
    assert error is not None


@pytest.mark.parametrize(
    ("setter", "value"),
    [
        ("set_property_int", 1.0),
        ("set_property_int", "1"),
        ("set_property_int", None),
        ("set_property_int", 2**63),
        ("set_property_bool", "x"),
        ("set_property_string", 1),
        ("set_property_float", "1"),
    ],
)
def test_setters_check_argument_types(setter: str, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        getattr(Data.create("d"), setter)("p", value)


def test_buffer_properties_are_copies_and_null_in_json() -> None:
    message = Data.create("d")
    assert message.set_property_buf("b", b"abc") is None
    assert message.get_property_buf("b") == (bytearray(b"abc"), None)
    assert json.loads(message.get_property_to_json()[0]) == {"b": None}
    value, error = message.get_property_buf("missing")
    assert value == bytearray()
    assert error is not None


def test_invalid_destinations_leave_the_message_as_it_was() -> None:
    message = Data.create("d")
    assert message.set_dests([Loc("", "", "a"), Loc("")]) is None
    assert message.set_dests([Loc()]) is not None
    assert message.set_dests([Loc(None, None, "a")]) is not None
    assert message.set_dests([]) is None


def test_a_fresh_result_is_final_but_not_completed() -> None:
    result = CmdResult.create(StatusCode.ERROR, Cmd.create("c"))
    assert result.get_status_code() is StatusCode.ERROR
    assert (result.is_final(), result.is_completed()) == (True, False)
    assert result.get_name() == "ten:result"
    assert StatusCode.OK.value == 0


def test_audio_frame_fields_start_at_zero() -> None:
    frame = AudioFrame.create("pcm_frame")
    assert frame.get_sample_rate() == 0
    assert frame.get_number_of_channels() == 0
    assert frame.get_data_fmt() == AudioFrameDataFmt.INTERLEAVE
    assert frame.is_eof() is False
    frame.set_sample_rate(16000)
    frame.set_timestamp(2**40)
    clone = frame.clone()
    assert clone.get_sample_rate() == 16000
    assert clone.get_timestamp() == 2**40


def test_audio_buffer_is_written_through_the_view() -> None:
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(4)
    view = frame.lock_buf()
    assert (len(view), view.readonly, view.format) == (4, False, "B")
    view[:] = b"\x01\x02\x03\x04"
    frame.unlock_buf(view)
    copy = frame.get_buf()
    copy[0] = 9
    assert frame.get_buf() == bytearray(b"\x01\x02\x03\x04")
    assert isinstance(copy, bytearray)


@pytest.mark.parametrize("size", [0, -1, "4"])
@pytest.mark.parametrize("kind", [Data, AudioFrame])
def test_buffers_have_a_positive_size(kind: type[Data], size: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        kind.create("x").alloc_buf(size)


def test_buffer_misuse_raises() -> None:
    frame = AudioFrame.create("pcm_frame")
    with pytest.raises(SystemError):
        frame.get_buf()
    with pytest.raises(RuntimeError):
        frame.lock_buf()
    frame.alloc_buf(2)
    with pytest.raises(RuntimeError):
        frame.unlock_buf(memoryview(bytearray(2)))
    with pytest.raises(ValueError):  # noqa: PT011
        frame.unlock_buf(memoryview(b""))
    message = Data.create("d")
    assert message.get_buf() == bytearray()
    with pytest.raises(SystemError):
        message.lock_buf()


def test_a_frame_can_be_allocated_anew() -> None:
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(2)
    frame.alloc_buf(6)
    assert len(frame.get_buf()) == 6


def test_clones_share_no_bytes() -> None:
    message = Data.create("d")
    message.alloc_buf(1)
    clone = message.clone()
    view = clone.lock_buf()
    view[0] = 1
    clone.unlock_buf(view)
    view = message.lock_buf()
    view[0] = 2
    message.unlock_buf(view)
    assert bytes(clone.get_buf()) == b"\x01"
    assert bytes(message.get_buf()) == b"\x02"


@standin_only
def test_a_view_is_dead_after_unlock() -> None:
    frame = AudioFrame.create("pcm_frame")
    frame.alloc_buf(2)
    view = frame.lock_buf()
    frame.unlock_buf(view)
    with pytest.raises(ValueError):  # noqa: PT011
        view[0] = 1


@standin_only
def test_what_aborts_natively_raises_here() -> None:
    message = Data.create("d")
    message.alloc_buf(1)
    with pytest.raises(RuntimeError, match="second alloc_buf"):
        message.alloc_buf(1)
    with pytest.raises(RuntimeError, match="path"):
        message.set_property_int("", 1)
    with pytest.raises(RuntimeError, match="object"):
        message.set_property_from_json(None, "[]")
    message.set_property_from_json("big", str(2**63))
    with pytest.raises(RuntimeError, match="int64"):
        message.get_property_to_json()
    frame = VideoFrame.create("v")
    with pytest.raises(RuntimeError, match="size"):
        frame.alloc_buf(0)
    with pytest.raises(RuntimeError, match="buffer"):
        frame.get_buf()
    assert frame.get_pixel_fmt() in list(PixelFmt)


def test_values_know_their_type() -> None:
    value = Value.from_python({"a": [1, 2.5, "x", True, b"b", None]})
    assert value.get_type() is ValueType.OBJECT
    items, error = value.get_object()[0]["a"].get_array()
    assert error is None
    assert [item.get_type() for item in items] == [
        ValueType.INT,
        ValueType.FLOAT,
        ValueType.STRING,
        ValueType.BOOL,
        ValueType.BYTES,
        ValueType.STRING,
    ]
    number, error = items[2].get_int()
    assert number == 0
    assert error is not None
    assert error.error_code() == TenErrorCode.ErrorCodeInvalidType
