"""Which languages were configured where and when a turn was heard.

Its text may come after an `update_configs` has put others in their place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..config import FALLBACK, PRIMARY, OpenAIASRConfig
from ..realtime.results import TurnResult

#: So many are remembered: more than can be in use while a text is waited for.
_MOST = 64


class Expected(NamedTuple):
    """``tags``: the languages as the user wrote them.  ``reported``: the last
    word of a turn tells its language."""

    tags: tuple[str, ...]
    reported: bool


@dataclass(eq=False, repr=False)
class ConfiguredLanguages:
    """Of a call, by what a turn knows of the session that heard it: endpoint,
    model and the codes that the service was told."""

    _by_session: dict[tuple[str, str, tuple[str, ...]], Expected] = field(
        default_factory=dict
    )

    def add(self, config: OpenAIASRConfig) -> None:
        """Sessions work by this one from now on, those before excepted that
        were told something else."""
        first, *others = config.endpoint_configs()
        self._add(PRIMARY if others else "", first)
        for number, other in enumerate(others):
            self._add(FALLBACK.format(number), other)

    def _add(self, name: str, config: OpenAIASRConfig) -> None:
        told = config.session_settings()
        key = name, told.model, told.hints
        known = self._by_session
        # The oldest first.
        known.pop(key, None)
        known[key] = Expected(config.languages, config.profile.reports_language)
        while len(known) > _MOST:
            del known[next(iter(known))]

    def of(self, turn: TurnResult) -> Expected:
        """Those of the session that heard it."""
        key = turn.endpoint, turn.model, turn.hints
        return self._by_session.get(key, Expected(turn.hints, False))
