"""A bounded run of `python -m bench.soak.sockets`."""

from __future__ import annotations

import asyncio

import pytest

from bench.soak.schedule import AWAY, BY_CALLER, CHANCES, SCHEDULED
from bench.soak.sockets import main
from bench.soak.stream import Stream
from bench.soak.ten_stream import TenStream

FAST = (
    "drop",
    "close",
    "expire",
    "refuse_503",
    "refuse_429",
    "unreachable",
    "reset_handshake",
    "rate_limit_error",
)

DEADLY = (
    "failing_timed",
    "failing_untimed",
    "refused_timed",
    "death_by_audio",
    "death_by_messages",
    "death_by_word",
)


@pytest.mark.parametrize("seed", [9, 10, 11])
def test_no_word_is_lost_or_doubled_over_real_sockets(seed):
    count = asyncio.run(Stream(120, seed, 12, FAST).run())
    assert count.clean, count
    assert count.words == 120
    assert count.faults >= 5
    assert count.delivered + count.reported == 120


@pytest.mark.parametrize("seed", [14, 16])
def test_nor_over_http(seed):
    """By itself, and with a second server."""
    # Who stops the call while the service is away hears no more of it.
    faults = tuple(name for name in SCHEDULED if name != "stop")
    count = asyncio.run(Stream(120, seed, 8, faults, http=True).run())
    assert count.clean, count
    assert count.faults >= 5
    assert count.delivered == count.words == 120


@pytest.mark.parametrize("seed", [12, 13])
def test_a_second_server_hears_what_the_first_one_does_not(seed):
    count = asyncio.run(Stream(120, seed, 20, (AWAY,)).run())
    assert count.clean, count
    assert count.delivered == 120
    assert count.switches >= 1
    assert count.elsewhere >= 1


@pytest.mark.parametrize("seed", [10, 11])
def test_what_the_caller_does_loses_no_word(seed):
    count = asyncio.run(Stream(120, seed, 12, BY_CALLER).run())
    assert count.clean, count
    assert sum(count.kinds.values()) == count.faults >= 5
    assert count.delivered + count.reported == 120


def test_no_word_is_lost_where_a_detector_freezes():
    # A server that owns the turns, and is silent for 10 s of real time.
    count = asyncio.run(Stream(60, 10, 30, ("frozen_detector",)).run())
    assert count.clean, count
    assert count.faults >= 1


@pytest.mark.parametrize("seed", [10, 11])
def test_no_word_is_lost_where_sessions_die_or_turns_fail(seed):
    count = asyncio.run(Stream(120, seed, 12, DEADLY).run())
    assert count.clean, count
    assert count.faults >= 5
    assert count.delivered + count.reported == 120


def test_a_call_without_faults_reports_nothing():
    count = asyncio.run(Stream(40, 4, 0).run())
    assert count.clean, count
    assert (count.delivered, count.faults, count.sessions) == (40, 0, 1)


def test_wrong_usage_is_one_clear_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--fault-rate", "2"])
    assert stop.value.code == 2
    assert "--fault-rate" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [20, 21])
def test_no_word_is_lost_through_the_whole_extension(seed):
    # Each of these ends a connection, whenever its time comes.
    count = TenStream(60, seed, 12, ("drop", "close", "expire")).run_ten()
    assert count.clean, count
    assert (count.words, count.delivered) == (60, 60)
    assert count.faults >= 1
    assert count.sessions >= 2


class NeverCalm(TenStream):
    """Its server misbehaves up to the end."""

    def _calm(self, strikes) -> None:
        pass


def test_what_the_extension_reports_as_given_up_is_no_loss(monkeypatch):
    monkeypatch.setitem(CHANCES, "failed", "always")
    monkeypatch.setitem(CHANCES, "failed_code", "invalid_request_error")
    count = NeverCalm(40, 21, 1000).run_ten()
    assert count.clean, count
    assert (count.words, count.delivered, count.reported) == (40, 0, 40)
