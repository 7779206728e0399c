"""What stands in a server's certificate, also where it is refused."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

from ten_packages.extension.openai_asr_python.connection.eyeballs import Address

Certificate = Mapping[str, Any]
#: OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the module has no name for.
_ANY_TIME = 0x200000


async def certificate_of(
    address: Address, host: str, limit_s: float
) -> Certificate:
    """The fields of a certificate that is refused; {} where it is not seen.

    The standard library takes apart only what it trusts: so it is fetched
    untrusted, and then trusted by itself.  Nothing is sent either time.
    """
    with contextlib.suppress(Exception):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        handshake = await _shake_hands(address, host, context, limit_s)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags = ssl.VerifyFlags(
            ssl.VERIFY_X509_PARTIAL_CHAIN | _ANY_TIME
        )
        context.load_verify_locations(cadata=handshake.getpeercert(True))
        handshake = await _shake_hands(address, host, context, limit_s)
        return handshake.getpeercert() or {}
    return {}


async def _shake_hands(
    address: Address, host: str, context: ssl.SSLContext, limit_s: float
) -> ssl.SSLObject:
    where, port = address[4][:2]
    opening = asyncio.open_connection(
        where, port, ssl=context, server_hostname=host
    )
    _, writer = await asyncio.wait_for(opening, limit_s)
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return found


def shown_certificate(certificate: Certificate) -> list[str]:
    """Its lines for people."""
    if not certificate:
        return []
    alternatives = certificate.get("subjectAltName", ())
    # That of a directory is a list of its parts.
    names = [name for _, name in alternatives if isinstance(name, str)]
    subject = ", ".join(names[:5]) or _name(certificate, "subject")
    return [
        f"certificate for {subject}",
        f"by {_name(certificate, 'issuer')}, from"
        f" {certificate.get('notBefore')} to {certificate.get('notAfter')}",
    ]


def _name(certificate: Certificate, kind: str) -> str:
    parts = [value for row in certificate.get(kind, ()) for _, value in row]
    return ", ".join(parts) or "nobody"
