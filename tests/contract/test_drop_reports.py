"""Reports of dropped audio: rare, and true to the place of each ms."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ten_packages.extension.openai_asr_python.contract.reports import (
    DropReport,
)


class Told:
    """The reports, and what they say."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        dump = SimpleNamespace(note=lambda *_: None)
        self.report: Any = DropReport(self, dump)  # type: ignore[arg-type]

    async def send(self, fault: Any) -> None:
        assert (fault.verdict, fault.code) == ("report", "audio_dropped")
        self.texts.append(fault.message)

    @property
    def stretches(self) -> list[tuple[int, int]]:
        found = [
            re.match(r"audio dropped: (\d+) ms from (\d+) ms on; ", text)
            for text in self.texts
        ]
        return [(int(m[2]), int(m[2]) + int(m[1])) for m in found if m]


async def test_adjoining_stretches_are_told_ever_more_rarely():
    told = Told()
    for start in range(0, 100_000, 20):
        await told.report.add(start, 20, "overflow")
    await told.report.rest()
    assert told.stretches[0] == (0, 20)
    assert len(told.texts) < 10
    ends = [0, *(end for _, end in told.stretches)]
    assert ends == [*(start for start, _ in told.stretches), 100_000]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(1, 900),
            st.sampled_from(["overflow", "stopped"]),
        ),
        max_size=60,
    ),
    st.randoms(use_true_random=False),
)
async def test_each_ms_is_in_one_report_whatever_the_order(pieces, rng):
    """What is before a stretch may be lost after it."""
    told, position, dropped = Told(), 0, []
    for gap, length, cause in pieces:
        position += 100 * gap
        dropped.append((position, length, cause))
        position += length
    if rng.random() < 0.5:
        rng.shuffle(dropped)
    for start, length, cause in dropped:
        await told.report.add(start, length, cause)
        if rng.random() < 0.1:
            await told.report.rest()
    await told.report.rest()
    reported = [ms for a, b in told.stretches for ms in range(a, b)]
    wanted = [ms for a, length, _ in dropped for ms in range(a, a + length)]
    assert sorted(reported) == sorted(wanted)
    assert len(told.texts) <= len(dropped)
