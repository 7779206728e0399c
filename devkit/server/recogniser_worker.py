"""A recogniser in a process of its own: run as a script, speaks over pipes.

pocketsphinx holds the interpreter's lock while it decodes, up to seconds; in
the server's process that would stall every connection.

Request: one letter, a 4-byte length (big endian), int16 samples at 16 kHz.
``D`` decodes a whole item, ``B`` begins a stream, ``P`` feeds it, ``E`` ends
it. Reply: a 4-byte length and the hypothesis so far, UTF-8. The process ends
with its standard input.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import sys
from typing import BinaryIO

RATE_HZ = 16_000
REQUEST = struct.Struct(">cI")
REPLY = struct.Struct(">I")


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the pipe is closed."""
    # Here, as the server itself needs only the numbers above.
    from pocketsphinx import Decoder  # type: ignore[import-untyped]

    decoder = Decoder(samprate=float(RATE_HZ), loglevel="FATAL")
    cepstral_mean: str | None = None
    while header := requests.read(REQUEST.size):
        command, length = REQUEST.unpack(header)
        audio = requests.read(length)
        if command == b"B" and cepstral_mean:
            # A stream does not know its own mean yet; the last item's is
            # nearer than none (a third fewer wrong words in interims).
            decoder.set_cmn(cepstral_mean)
        if command in b"DB":
            decoder.start_utt()
        if audio:
            # A whole item gets the cepstral mean of all of its frames.
            decoder.process_raw(audio, full_utt=command == b"D")
        if command in b"DE":
            decoder.end_utt()
        if command == b"D":
            cepstral_mean = decoder.get_cmn(False)
        found = decoder.hyp()
        text = found.hypstr.lower() if found is not None else ""
        reply = text.encode()
        replies.write(REPLY.pack(len(reply)) + reply)
        replies.flush()


def main() -> None:
    # Ctrl-C reaches the whole group; the server decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not get among the replies.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
