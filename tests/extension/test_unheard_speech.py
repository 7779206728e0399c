"""Speech that the local detector takes for none, and the service does not."""

from __future__ import annotations

import pytest
from asr_call import Call, properties, run_call, text_of

from devkit.script_audio import speak
from devkit.server import ServerThread

#: The tones that stand for words; the speech model need not know them.
WORDS = [1, 2]


@pytest.mark.parametrize("frame_ms", [10, 1680])
@pytest.mark.parametrize("connected", [True, False])
def test_it_is_delivered_after_a_finalize(frame_ms: int, connected: bool):
    """All came at once, and the finalize before the service said a word."""
    audio, _ = speak([WORDS], 16000, 1000, tail_ms=1000)

    async def script(call: Call) -> None:
        if connected:
            await call.until(lambda: call.messages)
        await call.send(audio, frame_ms=frame_ms)
        await call.until_finalized("f")
        await call.until_finals(1)

    with ServerThread(engine="script") as server:
        model = {"model": "gpt-live-transcribe"}
        config = properties(server.url, input_audio_transcription=model)
        call = run_call(config, script)
    assert [final["text"] for final in call.finals] == text_of(WORDS)
    assert call.errors == []
