"""Certificates that cost OpenSSL much time to read, and a server with them.

The key of each is a point, in its compressed form, on a curve that it brings
along (RFC 3279, 2.3.5): to unpack it, and the curve's base point, takes a
square root modulo a prime of which ``p - 1`` is divisible by 2 ** 645.
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading

_P = 16_415 * 2**645 + 1
_A, _B = 1, 7


def _tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _number(value: int) -> bytes:
    # One bit more: it must not look negative.
    return _tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(text: str) -> bytes:
    first, second, *arcs = map(int, text.split("."))
    body = bytearray([40 * first + second])
    for arc in arcs:
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return _tlv(6, bytes(body))


def _point(number: int) -> bytes:
    """The ``number``-th one of the curve, by its x."""
    x = 1
    while True:
        x += 1
        if pow(x**3 + _A * x + _B, (_P - 1) // 2, _P) == 1:
            number -= 1
            if number < 0:
                return b"\2" + x.to_bytes((_P.bit_length() + 7) // 8, "big")


def dear_certificate() -> bytes:
    """One in DER; reading it takes OpenSSL 3.0 about a tenth of a second."""
    curve = _tlv(
        0x30,
        _number(1),
        _tlv(0x30, _oid("1.2.840.10045.1.1"), _number(_P)),
        _tlv(0x30, _tlv(4, bytes([_A])), _tlv(4, bytes([_B]))),
        _tlv(4, _point(0)),
        _number(101),
    )
    key = _tlv(
        0x30,
        _tlv(0x30, _oid("1.2.840.10045.2.1"), curve),
        _tlv(3, b"\0" + _point(1)),
    )
    algorithm = _tlv(0x30, _oid("1.2.840.10045.4.3.2"))
    nobody = _tlv(0x30)
    times = _tlv(
        0x30, _tlv(0x17, b"250101000000Z"), _tlv(0x17, b"450101000000Z")
    )
    signed = _tlv(0x30, _number(1), algorithm, nobody, times, nobody, key)
    return _tlv(0x30, signed, algorithm, _tlv(3, b"\0"))


def in_pem(certificate: bytes) -> str:
    text = base64.encodebytes(certificate).decode()
    return (
        "-----BEGIN CERTIFICATE-----\n" + text + "-----END CERTIFICATE-----\n"
    )


def _message(kind: int, body: bytes) -> bytes:
    """One of the handshake, in records of TLS 1.2."""
    data = bytes([kind]) + len(body).to_bytes(3, "big") + body
    pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)]
    return b"".join(
        b"\x16\x03\x03" + len(piece).to_bytes(2, "big") + piece
        for piece in pieces
    )


class DearServer:
    """Answers a TLS handshake with ``count`` such certificates, behind the
    answer of a proxy where it is asked for one.  ``sent``: did it?"""

    def __init__(self, count: int) -> None:
        one = dear_certificate()
        chain = (len(one).to_bytes(3, "big") + one) * count
        hello = b"\x03\x03" + os.urandom(32) + b"\0\xc0\x2b\0"
        hello += b"\x00\x05\xff\x01\x00\x01\x00"
        self.sent = threading.Event()
        self._answer = _message(2, hello) + _message(
            11, len(chain).to_bytes(3, "big") + chain
        )

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if (await reader.read(65536)).startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await reader.read(65536)
        writer.write(self._answer)
        await writer.drain()
        self.sent.set()
        await reader.read()
