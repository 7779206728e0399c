"""What the command lines of the devkit have in common: wrong usage is one line
and status 2."""

from __future__ import annotations

import argparse
import ipaddress
import math
import sys
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import urlsplit


class UsageError(Exception):
    """A wrong argument or a missing precondition: one line, status 2."""


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` in place of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def fail(command: str, text: str, status: int) -> int:
    """Print why a command ends, as one line; its exit status."""
    from .shown import told

    print(f"{command}: {told(text)}", file=sys.stderr)
    return status


def number_from(
    low: float, high: float, what: str = "a number"
) -> Callable[[str], float]:
    """The type of an option that takes a number in these bounds."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f"must be {what} from {low:g} to {high:g}, not {text!r}"
            )
        return number

    return parse


def is_websocket_url(text: str) -> bool:
    """Can it be dialed, as far as its form goes?"""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises if it is no number up to 65535
    except ValueError:
        return False
    return parts.scheme in ("ws", "wss") and bool(parts.hostname)


def is_loopback(host: str) -> bool:
    """Is this the name or an address of this machine?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
