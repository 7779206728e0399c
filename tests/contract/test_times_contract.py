"""Point 2 (P4): times are positions of the speech in the audio received."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import Faults, ServerThread

TURNS = [[1, 2, 3], [4, 5], [6, 7, 8], [9]]
#: One frame, and the 10 ms windows of the server's detector.
TOLERANCE_MS = 20
RATES = [8000, 16000, 44100, 48000]


def check(call: Call, times: list[tuple[int, int]]) -> None:
    finals = call.finals
    assert len(finals) == len(times)
    for final, (start, end) in zip(finals, times, strict=True):
        assert abs(final["start_ms"] - start) <= TOLERANCE_MS
        stop = final["start_ms"] + final["duration_ms"]
        assert abs(stop - end) <= TOLERANCE_MS
    monotonic(call)


def monotonic(call: Call) -> None:
    position = 0
    for final in call.finals:
        assert final["start_ms"] >= position
        assert final["duration_ms"] > 0
        position = final["start_ms"] + final["duration_ms"]
    starts = {f["id"]: f["start_ms"] for f in call.finals}
    for result in call.results:
        assert result["duration_ms"] > 0
        assert (
            starts.get(result["id"], result["start_ms"]) == result["start_ms"]
        )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ending", ["server", "finalize"])
def test_server_turns_and_finalize_only_turns(server, rate, ending):
    audio, times = spoken(TURNS, rate)

    async def script(call: Call) -> None:
        if ending == "server":
            await call.send(audio, rate)
        else:
            begin = 0
            for index, (_, end) in enumerate(times):
                stop = (end + 100) * rate // 1000
                await call.send(audio[begin:stop], rate)
                await call.until_finalized(f"f{index}")
                begin = stop
        await call.until_finalized("end")

    off = {} if ending == "server" else {"turn_detection": {"type": "none"}}
    call = run_call(properties(server.url, **off), script)
    assert call.texts == text_of(*TURNS)
    check(call, times)
    assert call.errors == []


@pytest.mark.parametrize("padding_ms", [0, 100, 1000])
@pytest.mark.parametrize("silence_ms", [200, 900])
def test_padding_and_silence_of_the_detector_are_no_speech(
    server, padding_ms, silence_ms
):
    audio, times = spoken(TURNS)
    detection = {
        "type": "server_vad",
        "prefix_padding_ms": padding_ms,
        "silence_duration_ms": silence_ms,
    }

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    call = run_call(properties(server.url, turn_detection=detection), script)
    check(call, times)


@pytest.mark.parametrize("rate", RATES)
def test_times_stay_true_across_reconnects_and_replays(rate):
    audio, times = spoken(TURNS, rate)
    faults = Faults(drop_after_commit=2)
    with ServerThread(engine="script", faults=faults) as server:

        async def script(call: Call) -> None:
            await call.send(audio, rate)
            await call.until_finalized("end")

        call = run_call(
            properties(server.url, finalize_timeout_ms=30_000), script
        )
    assert call.texts == text_of(*TURNS)
    check(call, times)
    assert len(server.sessions) >= 2


@pytest.mark.parametrize("connected_first", [True, False])
def test_times_stay_true_after_dropped_audio(connected_first):
    turns = [[n] for n in range(1, 16)]
    audio, times = spoken(turns, pause_ms=700)
    total_ms = len(audio) // 16
    with ServerThread(engine="script") as server:

        async def script(call: Call) -> None:
            if connected_first:
                await call.until(lambda: call.metric("connect_delay"))
                server.stop_listening()
                server.drop_connections(abort=True)
                await call.until(lambda: call.errors)
            await call.send(audio)
            if connected_first:
                await call.until(lambda: drop_reports(call))
                server.start_listening()
            await call.until_finalized("end")

        top = {} if connected_first else {"auto_connect": False}
        call = run_call(
            properties(
                server.url,
                max_buffer_ms=4000,
                finalize_timeout_ms=30_000,
                top=top,
            ),
            script,
        )
    true = dict(zip(text_of(*turns), times, strict=True))
    monotonic(call)
    whole = [f for f in call.finals if f["text"] in true]
    assert len(whole) >= 2
    for final in whole:
        start = true[final["text"]][0]
        if any(abs(final["start_ms"] - end) <= 2 for end in gap_ends(call)):
            # It begins with what is left of a word that gave way.
            continue
        assert abs(final["start_ms"] - start) <= TOLERANCE_MS
    assert whole[-1]["text"] == text_of(turns[-1])[0]
    # Every millisecond that did not fit is in one report.
    dropped = sum(drop_reports(call))
    assert abs(dropped - (total_ms - 4000)) <= 12
    counted = [
        m["dropped_ms"]
        for m in call.metric("vendor_metrics")
        if "dropped_ms" in m
    ]
    if connected_first:
        assert abs(counted[-1] - dropped) <= 2
    # Reports come at growing distance, not for every frame.
    assert len(drop_reports(call)) <= 6


@pytest.mark.parametrize(
    "formats",
    [
        # Hz, channels and ms of one after the other.
        [(48000, 2, 3000), (8000, 1, 900)],
        [(8000, 1, 3900), (48000, 2, 300)],
        [(8000, 1, 3900), (48000, 2, 300), (16000, 1, 100), (8000, 2, 5000)],
        [(16000, 1, 10), (48000, 2, 10)] * 300,
    ],
)
def test_early_audio_is_bounded_by_its_length_whatever_its_format(
    server, formats
):
    bound_ms, frame_ms = 4000, 10
    total_ms = sum(ms for _, _, ms in formats)

    async def script(call: Call) -> None:
        for rate, channels, ms in formats:
            silence = bytes(2 * channels * rate * ms // 1000)
            await call.send(silence, rate, channels, frame_ms)
        await call.until_finalized("end")

    top = {"auto_connect": False}
    config = properties(server.url, max_buffer_ms=bound_ms, top=top)
    call = run_call(config, script)
    # What the core keeps of it has the same bound, but for a moment.
    dropped = sum(drop_reports(call))
    assert abs(dropped - max(total_ms - bound_ms, 0)) <= 12


def gap_ends(call: Call) -> list[int]:
    """Where the audio goes on after what was dropped, in ms."""
    pattern = re.compile(r"dropped: (\d+) ms from (\d+) ms on")
    found = [pattern.search(e["message"]) for e in call.errors]
    return [int(m[1]) + int(m[2]) for m in found if m]


def drop_reports(call: Call) -> list[int]:
    return [
        int(e["message"].split("dropped: ")[1].split(" ms")[0])
        for e in call.errors
        if e["vendor_info"].get("code") == "audio_dropped"
    ]


def test_no_drift_in_a_long_call_with_odd_frame_sizes(server):
    rate = 44100
    rng = random.Random(7)
    turns = [[n] for n in range(1, 41)]
    audio, times = spoken(turns, rate)
    assert len(audio) > 50 * rate

    async def script(call: Call) -> None:
        # Before there is a connection, less than this call is kept.
        await call.until(lambda: call.metric("connect_delay"))
        at = 0
        while at < len(audio):
            size = rng.choice([1, 7, 441, 443, 1009, 4099])
            piece = audio[at : at + size].tobytes()
            await call.send(piece, rate, frame_ms=1000)
            at += size
        await call.until_finalized("end")

    call = run_call(properties(server.url, finalize_timeout_ms=60_000), script)
    assert call.texts == text_of(*turns)
    check(call, times)


@pytest.mark.parametrize("rate", [16000, 48000])
def test_turns_of_the_local_detector(server, rate):
    soundfile = pytest.importorskip("soundfile")
    soxr = pytest.importorskip("soxr")
    from devkit.bootstrap import _REPOSITORY

    path = _REPOSITORY / "tests/server/data/two_turns_16k.flac"
    audio, heard_rate = soundfile.read(path, dtype="int16")
    assert heard_rate == 16000
    onsets = speech_starts(audio)
    if rate != heard_rate:
        audio = soxr.resample(audio, heard_rate, rate)
    model = {"model": "gpt-live-transcribe"}

    async def script(call: Call) -> None:
        await call.send(audio, rate)
        await call.until_finalized("end")
        await call.until(lambda: server.sessions[0].commits)

    # What the script engine reads out of real speech is of no interest.
    call = run_call(
        properties(server.url, input_audio_transcription=model), script
    )
    monotonic(call)
    assert len(call.finals) == len(onsets) == 2
    for final, onset in zip(call.finals, onsets, strict=True):
        # The detector works in windows of 32 ms.
        assert abs(final["start_ms"] - onset) <= 120


def speech_starts(audio) -> list[int]:
    """Where sound begins after half a second of quiet, in ms."""
    level = np.abs(audio[: len(audio) // 160 * 160].astype(int))
    loud = level.reshape(-1, 160).max(axis=1) > 600
    starts, quiet = [], 100
    for index, is_loud in enumerate(loud):
        if is_loud and quiet >= 50:
            starts.append(index * 10)
        quiet = 0 if is_loud else quiet + 1
    return starts
