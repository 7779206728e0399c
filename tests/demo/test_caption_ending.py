"""When the example app ends, with times given by hand."""

from examples.live_captions.ten_packages.extension.captions.run_state import (
    RunState,
)

ERROR = {"code": 1000, "message": "connection lost"}
CONNECTED = {"metrics": {"connect_delay": 20}}
FATAL = {"code": -1000, "message": "no such key"}


def state() -> RunState:
    return RunState(wait_s=30.0)


def test_it_ends_when_the_source_is_done_and_finalize_answered() -> None:
    run = state()
    run.message("asr_result", {}, 1.0)
    assert run.ending(1.0) is None
    run.message("source_progress", {"done": True}, 2.0)
    assert run.ending(2.0) is None
    run.message("asr_finalize_end", {}, 0.0)
    assert run.ending(2.0) == "finished"


def test_it_does_not_wait_for_finalize_for_ever() -> None:
    run = state()
    run.message("source_progress", {"done": True}, 2.0)
    assert run.ending(31.9) is None
    assert run.ending(32.0) == "finalize_timeout"


def test_a_fatal_error_ends_it() -> None:
    run = state()
    run.message("error", FATAL, 1.0)
    assert run.ending(1.0) == "fatal_error"
    assert run.errors == 1


def test_a_source_error_ends_it_at_once() -> None:
    run = state()
    run.message("source_error", {}, 0.0)
    assert run.ending(0.0) == "source_error"


def test_an_error_before_the_end_does_not_matter_if_text_came_after() -> None:
    run = state()
    run.message("error", ERROR, 1.0)
    run.message("asr_result", {}, 2.0)
    run.message("source_progress", {"done": True}, 3.0)
    run.message("asr_finalize_end", {}, 0.0)
    assert run.ending(3.0) == "finished"
    assert run.errors == 1


def test_a_lost_connection_is_waited_for() -> None:
    run = state()
    run.message("source_progress", {"done": True}, 1.0)
    run.message("error", ERROR, 1.0)
    run.message("asr_finalize_end", {}, 0.0)
    assert run.ending(30.9) is None
    assert run.ending(31.0) == "disconnected"


def test_text_after_a_late_reconnect_still_comes() -> None:
    run = state()
    run.message("error", ERROR, 1.0)
    run.message("source_progress", {"done": True}, 2.0)
    run.message("asr_finalize_end", {}, 0.0)
    assert run.message("metrics", CONNECTED, 10.0) is True
    assert run.ending(14.0) is None
    run.message("asr_result", {}, 14.5)
    assert run.ending(18.0) is None
    assert run.ending(19.6, interim=True) is None
    assert run.ending(19.6) == "finished"


def test_finalize_answered_after_a_reconnect_ends_it() -> None:
    run = state()
    run.message("error", ERROR, 1.0)
    run.message("source_progress", {"done": True}, 2.0)
    run.message("metrics", CONNECTED, 10.0)
    run.message("asr_finalize_end", {}, 0.0)
    assert run.ending(10.1) == "finished"


def test_the_first_connect_is_not_again() -> None:
    run = state()
    assert run.message("metrics", CONNECTED, 0.1) is False
    run.message("error", ERROR, 1.0)
    assert run.message("metrics", CONNECTED, 2.0) is True
    assert run.message("metrics", CONNECTED, 2.1) is False
