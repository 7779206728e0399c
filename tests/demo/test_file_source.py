"""The file source, seen from the extension it plays to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ten_runtime import (
    AsyncExtensionTester,
    AsyncTenEnvTester,
    AudioFrame,
    Data,
)

# Registers the addon, so that the tester finds it on any runtime.
import examples.live_captions.ten_packages.extension.file_source as package
from examples.live_captions.ten_packages.extension.file_source import extension

assert package


ROOT = Path(__file__).resolve().parent.parent.parent


class Listener(AsyncExtensionTester):
    """Records what the source sends until it is done or gives up."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.frames: list[dict[str, Any]] = []
        self.pcm = bytearray()
        self.data: list[tuple[str, dict[str, Any]]] = []

    async def on_audio_frame(
        self, ten_env_tester: AsyncTenEnvTester, audio_frame: AudioFrame
    ) -> None:
        metadata, _ = audio_frame.get_property_to_json("metadata")
        self.order.append(audio_frame.get_name())
        self.frames.append(
            {
                "rate": audio_frame.get_sample_rate(),
                "channels": audio_frame.get_number_of_channels(),
                "width": audio_frame.get_bytes_per_sample(),
                "samples": audio_frame.get_samples_per_channel(),
                "timestamp": audio_frame.get_timestamp(),
                "metadata": json.loads(metadata),
            }
        )
        self.pcm += audio_frame.get_buf()

    async def on_data(
        self, ten_env_tester: AsyncTenEnvTester, data: Data
    ) -> None:
        text, _ = data.get_property_to_json("")
        body = json.loads(text)
        self.order.append(data.get_name())
        self.data.append((data.get_name(), body))
        if data.get_name() == "source_error" or body.get("done"):
            ten_env_tester.stop_test()

    def all(self, name: str) -> list[dict[str, Any]]:
        return [body for key, body in self.data if key == name]


Play = Callable[..., Listener]


@pytest.fixture
def play() -> Play:
    def call(path: Path | str, **properties: Any) -> Listener:
        listener = Listener()
        listener.set_test_mode_single(
            "file_source",
            json.dumps({"path": str(path), "speed": "100", **properties}),
        )
        listener.set_timeout(60_000_000)
        assert listener.run() is None
        return listener

    return call


def ramp(samples: int, channels: int = 1) -> "np.ndarray[Any, Any]":
    values = np.arange(samples * channels, dtype=np.int64) * 37
    return (values % 65536 - 32768).astype(np.int16).reshape(-1, channels)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_sample_arrives_unchanged(
    play: Play, tmp_path: Path, rate: int, channels: int
) -> None:
    path = tmp_path / "with space.wav"
    wave = ramp(rate * 3 // 10 + 5, channels)
    soundfile.write(path, wave, rate)
    heard = play(path, tail_silence_ms="20", session_id="42")

    whole = wave.astype("<i2").tobytes()
    assert bytes(heard.pcm[: len(whole)]) == whole
    tail = heard.pcm[len(whole) :]
    size = rate // 100
    assert tail == bytes(2 * size * channels * 2)
    for frame in heard.frames:
        assert frame["rate"] == rate
        assert frame["channels"] == channels
        assert frame["width"] == 2
        assert frame["metadata"] == {"session_id": "42"}
    for number, frame in enumerate(heard.frames[:30]):
        assert frame["samples"] == size
        assert frame["timestamp"] == number * size * 1000 // rate


def test_finalize_comes_after_the_last_frame(
    play: Play, tmp_path: Path
) -> None:
    path = tmp_path / "call.flac"
    soundfile.write(path, ramp(8000), 16000)
    heard = play(path, tail_silence_ms=100, session_id="7")
    assert heard.all("asr_finalize") == [
        {"finalize_id": "end-of-file", "metadata": {"session_id": "7"}}
    ]
    end = heard.order.index("asr_finalize")
    assert "pcm_frame" not in heard.order[end:]
    assert heard.order.count("pcm_frame") == 60
    assert heard.order[end:] == ["asr_finalize", "source_progress"]


def test_progress_is_in_audio_time(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, ramp(8000), 16000)
    heard = play(path, tail_silence_ms=200)
    progress = heard.all("source_progress")
    assert {p["duration_ms"] for p in progress} == {500}
    positions = [p["position_ms"] for p in progress]
    assert positions == [0, 100, 200, 300, 400, 500, 500, 500]
    assert [p["done"] for p in progress] == [False] * 7 + [True]


def test_float_files_are_scaled_and_clipped(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "float.wav"
    wave = np.array([0.0, 0.5, -0.5, 1.5, -1.5, np.nan], np.float32)
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    heard = play(path, tail_silence_ms=0)
    samples = np.frombuffer(bytes(heard.pcm), "<i2").tolist()
    assert samples == [0, 16384, -16384, 32767, -32768, 0]


def test_a_file_that_cannot_be_played_is_reported(
    play: Play, tmp_path: Path
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("not audio", encoding="utf-8")
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros(0, np.int16), 16000)
    for path, reason in (
        (tmp_path / "gone.wav", "not point to a file"),
        (tmp_path, "not point to a file"),
        (text, "cannot be played: Format not recognised"),
        (empty, "contains no audio"),
    ):
        heard = play(path)
        (error,) = heard.all("source_error")
        assert str(path) in error["message"]
        assert reason in error["message"]
        assert "\n" not in error["message"]
        assert heard.frames == []
        assert heard.all("asr_finalize") == []


def test_bad_properties_are_reported_by_name(play: Play) -> None:
    for bad in (
        {"speed": "fast"},
        {"tail_silence_ms": "-1"},
        {"path": ""},
    ):
        heard = play(**{"path": __file__, **bad})
        (error,) = heard.all("source_error")
        assert error["message"].startswith(f"{next(iter(bad))}: ")


def test_pacing_does_not_drift(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "call.wav"
    soundfile.write(path, ramp(16000 * 11), 16000)
    now = 100.0
    woke: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds + 0.003  # every wake-up is late
        woke.append(now)
        if len(woke) == 1000:
            now += 1.0  # a stall

    monkeypatch.setattr(extension, "sleep", sleep)
    monkeypatch.setattr(extension, "monotonic", lambda: now)
    play(path, speed=2, tail_silence_ms=0)
    assert len(woke) == 1100
    due = [100.0 + frame * 0.005 for frame in range(1, 1101)]
    late = [after - before for after, before in zip(woke, due, strict=True)]
    assert max(late[:1000]) < 0.007
    assert min(late) >= 0, "no frame is early"
    assert woke[-1] - woke[999] < 1 + 100 * 0.005, "due frames follow at once"


def test_frames_of_less_than_a_sample_end_nothing(
    play: Play, tmp_path: Path
) -> None:
    path = tmp_path / "slow.wav"
    wave = ramp(40)
    soundfile.write(path, wave, 80)
    assert play(path, tail_silence_ms=0).pcm == wave.tobytes()


def test_a_file_that_is_damaged_is_reported(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "call.flac"
    soundfile.write(path, ramp(16000 * 20), 16000)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    path.write_bytes(whole)
    heard = play(path, speed=1000)
    (error,) = heard.all("source_error")
    assert f"{path}: cannot be played: " in error["message"]
    assert heard.frames
    assert heard.all("asr_finalize") == []


@pytest.mark.parametrize("name", ["call.mp3", "call.flac", "call.ogg"])
def test_what_is_read_in_pieces_is_the_whole(tmp_path: Path, name: str) -> None:
    # Speech: of a steady sound an mp3 decoder forgets nothing that it misses.
    call, rate = soundfile.read(ROOT / "samples" / "call.wav", frames=64_000)
    soundfile.write(tmp_path / name, call, rate)
    whole, _ = soundfile.read(tmp_path / name, dtype="float32")
    wanted = np.rint(whole * 32768)
    file = extension.Recording(tmp_path / name)
    pcm = b"".join(extension.pcm_frames(file, 0))
    heard = np.frombuffer(pcm, "<i2").astype(float)
    assert len(heard) == len(wanted)
    assert np.abs(heard - wanted).max() <= 1  # decoders round
