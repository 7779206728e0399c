"""Calls whose turns go over HTTP, each as a file of its own."""

from __future__ import annotations

from asr_call import Call, properties, run_call, spoken, text_of

from devkit.server import ServerThread


def over_http(url: str, model: str = "gpt-4o-transcribe", **params):
    more = {"transport": "http", "turn_detection": {"type": "none"}}
    return properties(
        url, **{**more, "input_audio_transcription": {"model": model}, **params}
    )


def test_a_turn():
    audio, _ = spoken([[1, 2, 3]])

    async def script(call: Call) -> None:
        await call.send(audio)
        await call.until_finalized("end")

    with ServerThread() as server:
        call = run_call(over_http(server.url), script)
        print(server.requests)
    print(call.messages)
    assert call.texts == text_of([1, 2, 3])
    assert call.errors == []
