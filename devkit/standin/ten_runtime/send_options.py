"""How a message is sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SendOptions:
    """``wait_for_result``: report schema, lock and connection failures.

    Without it (the default) a send that fails inside the runtime returns
    None all the same; only "TEN is closed" is ever reported.
    """

    wait_for_result: bool = False


def waits(options: SendOptions | None) -> bool:
    """Whether the sender wants to know."""
    return options is not None and options.wait_for_result
