"""A recogniser in a process of its own: run as a script, speaks over pipes.

In the server's process a decoder that hangs or crashes would take every
connection with it, and nothing could end the server before its look at a
long piece of audio is over.

Arguments: the model's directory, the number of its architecture, how many
tokens a second it may say. Request: a 4-byte length (big endian) and int16
samples at 16 kHz. Reply: a 4-byte length and their text, UTF-8. The process
ends with its standard input.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO

RATE_HZ = 16_000
LENGTH = struct.Struct(">I")


def serve(
    requests: BinaryIO, replies: BinaryIO, text_of: Callable[[bytes], str]
) -> None:
    """Answer requests until the pipe is closed."""
    while header := requests.read(LENGTH.size):
        (length,) = LENGTH.unpack(header)
        reply = text_of(requests.read(length)).encode()
        replies.write(LENGTH.pack(len(reply)) + reply)
        replies.flush()


def load(directory: str, arch: str, tokens: str) -> Callable[[bytes], str]:
    """The function that turns samples into text."""
    # Here, as the server itself needs only the numbers above.
    import numpy as np
    from moonshine_voice import (  # type: ignore[import,unused-ignore]
        ModelArch,
        Transcriber,
    )

    transcriber = Transcriber(
        directory,
        ModelArch(int(arch)),
        # No pieces of its own: those of the server are the detector's.
        options={"vad_threshold": 0.0, "max_tokens_per_second": tokens},
    )

    def text_of(audio: bytes) -> str:
        samples = np.frombuffer(audio, np.int16) / np.float32(32768)
        heard = transcriber.transcribe_without_streaming(
            samples.tolist(), RATE_HZ
        )
        return " ".join(line.text.strip() for line in heard.lines)

    return text_of


def main() -> int:
    # Ctrl-C reaches the whole group; the server decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not get among the replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        text_of = load(*sys.argv[1:])
    except Exception as error:
        print(f"devkit.server: recogniser: {error}", file=sys.stderr)
        return 1
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, replies, text_of)
    return 0


if __name__ == "__main__":
    sys.exit(main())
