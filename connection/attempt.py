"""How far one attempt to connect has come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum

from ..realtime.faults import Fault
from .eyeballs import Address
from .proxies import Proxy


class Step(Enum):
    """What an attempt waits for."""

    PROXY = "proxy"
    LOOK_UP = "look-up of the host"
    TCP = "TCP"
    TLS = "TLS"
    HTTP = "HTTP answer"


@dataclass(eq=False)
class Attempt:
    """One attempt at ``target`` (host:port): its ``step``, and the
    ``address`` that TCP led to, the proxy's where there is one."""

    proxy: Proxy | None
    target: str
    step: Step = field(init=False)
    address: Address | None = None
    _since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.step = Step.PROXY if self.proxy else Step.LOOK_UP

    def place(self) -> str:
        """Where and when, for a person: "TLS, 192.0.2.7, after 1.5 s", or
        where TCP led nowhere "TCP, host.example:443, after 1.5 s"."""
        after = f"after {time.monotonic() - self._since:.1f} s"
        led_to = self.target
        # A proxy is named elsewhere, and its address is not the service's.
        if self.address is not None and self.proxy is None:
            led_to = str(self.address[4][0])
        where = [] if self.step is Step.PROXY else [led_to]
        return ", ".join([self.step.value, *where, after])


@dataclass(eq=False)
class Outage:
    """Was a service without an answer when it was last asked?  Then it is
    asked before audio is sent to it again.  (A WebSocket shows it by itself.)
    """

    lasts: bool = False


class DialFailed(Exception):
    """Nothing came of an attempt; ``problem`` tells why, ``place`` where and
    when."""

    def __init__(self, attempt: Attempt, problem: Exception) -> None:
        self.attempt = attempt
        self.place = attempt.place()
        self.problem = problem
        super().__init__(self.place)


class FaultKnown(Exception):
    """Nothing came of an attempt, and ``fault`` tells why."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.message)
