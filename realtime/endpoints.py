"""The services that may transcribe a call, and what is known of each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from .backoff import Retries
from .habits import ServerHabits
from .settings import ProtocolChoice, SessionSettings


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Where a session may be opened, and with what.

    ``address``: whatever the client dials by, nothing that the core looks
    into.
    """

    settings: SessionSettings
    address: object
    protocol: ProtocolChoice = "auto"

    @property
    def name(self) -> str:
        """Which of the call's this is; "" where there is but one."""
        return self.settings.endpoint

    @property
    def label(self) -> str:
        """The same, for a person."""
        return f"{self.name} ({self.settings.model})"

    def is_at(self, other: Endpoint) -> bool:
        """Is it the same service, perhaps with other settings?"""
        return (self.name, self.address) == (other.name, other.address)

    def is_like(self, other: Endpoint | None) -> bool:
        """Would a session there be the same?"""
        return other is not None and (
            (self.settings, self.address) == (other.settings, other.address)
        )


@dataclass(frozen=True)
class Known:
    """What was learnt about an endpoint, and when it may be dialed again."""

    habits: ServerHabits
    retries: Retries


class EndpointsInUse:
    """A call's endpoints, the first one preferred.

    ``index``: which of them is used; ``returning``: another one, a session of
    which is to take over.
    """

    def __init__(
        self, endpoints: tuple[Endpoint, ...], rng: random.Random
    ) -> None:
        self.endpoints = endpoints
        self.index = 0
        self.returning: Endpoint | None = None
        self._rng = rng
        #: Also of places that are not in use any more: a time that one named
        #: holds when a user comes back to it.
        self._known: list[tuple[Endpoint, Known]] = []

    @property
    def endpoint(self) -> Endpoint:
        """The one that is used."""
        return self.endpoints[self.index]

    def adopt(self, endpoints: tuple[Endpoint, ...], index: int) -> None:
        """From now on this one of these is used."""
        self.endpoints, self.index = endpoints, index
        self.returning = None

    def renew(self, endpoints: tuple[Endpoint, ...], index: int) -> None:
        """The same where the one that is used stays as it is: a session that
        is to take over from it may do so yet."""
        returning = self.returning
        self.adopt(endpoints, index)
        if endpoints[0].is_like(returning):
            self.returning = endpoints[0]

    def is_wanted(self, endpoint: Endpoint) -> bool:
        """Is a session there of use?"""
        wanted = self.endpoint, self.returning
        return any(endpoint.is_like(other) for other in wanted)

    def same_place(self, endpoints: tuple[Endpoint, ...]) -> int:
        """Which of these to use: the one in use, wherever it stands by now, or
        what took its place."""
        last = min(self.index, len(endpoints) - 1)
        places = (last, *range(len(endpoints)))
        used = self.endpoint.address
        return next((i for i in places if endpoints[i].address == used), last)

    def others(
        self,
        settings: SessionSettings,
        address: object,
        fallbacks: Sequence[Endpoint],
    ) -> tuple[Endpoint, ...]:
        """Such endpoints, the first one with the protocol that it has now."""
        protocol = self.endpoints[0].protocol
        return Endpoint(settings, address, protocol), *fallbacks

    def readdress(
        self, address: object, fallbacks: Sequence[Endpoint] = ()
    ) -> None:
        """Equal addresses; but the client may have more in them than that."""
        first = self.endpoints[0].settings
        self.endpoints = self.others(first, address, fallbacks)

    # -- what is known --------------------------------------------------------

    def known(self, endpoint: Endpoint | None = None) -> Known:
        """Of an endpoint; None: of the one in use."""
        endpoint = endpoint or self.endpoint
        for place, known in reversed(self._known):
            if place.is_at(endpoint):
                return known
        known = Known(self._habits_of(endpoint), Retries(self._rng))
        self._known.append((endpoint, known))
        return known

    def _habits_of(self, endpoint: Endpoint) -> ServerHabits:
        """Those of the server at that address; behind another address of the
        first endpoint the same server may be, with another key.  A time that
        it named is a matter of its address, though."""
        first = self.endpoints[0]
        for place, known in reversed(self._known):
            if place.address == endpoint.address:
                return known.habits.handed_on()
        for place, known in reversed(self._known):
            if place.is_at(first) and endpoint.name == first.name:
                return known.habits.handed_on()
        return ServerHabits()

    @property
    def unknown_events(self) -> int:
        """How many events meant nothing here."""
        return sum(k.habits.unknown_events for _, k in self._known)
