"""The captions extension, driven by a tester in place of source and ASR."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ten_runtime import (
    AsyncExtensionTester,
    AsyncTenEnvTester,
    Data,
)

# Registers the addon, so that the tester finds it on any runtime.
import examples.live_captions.ten_packages.extension.captions as package

assert package

Message = tuple[str, dict[str, Any]]
DONE: Message = (
    "source_progress",
    {"position_ms": 4000, "duration_ms": 4000, "done": True},
)
END: Message = ("asr_finalize_end", {"finalize_id": "end-of-file"})
SENT = (
    "asr_finalize_end",
    "asr_result",
    "error",
    "metrics",
    "source_error",
    "source_progress",
    "unheard_of",
)
FATAL: Message = (
    "error",
    {"module": "asr", "code": -1000, "message": "no such key"},
)


def result(text: str, start_ms: int, *, final: bool = True) -> Message:
    return (
        "asr_result",
        {
            "id": "x",
            "text": text,
            "final": final,
            "start_ms": start_ms,
            "duration_ms": 900,
            "language": "en",
            "words": [],
            "metadata": {},
        },
    )


class Caller(AsyncExtensionTester):
    """Sends messages; ends when the extension closes the app.

    In a graph, as the extension is to be used: alone with a tester it cannot
    close the app.
    """

    def __init__(self, messages: list[Message]) -> None:
        super().__init__()
        self.messages = messages

    async def on_start(self, ten_env_tester: AsyncTenEnvTester) -> None:
        for name, body in self.messages:
            data = Data.create(name)
            data.set_property_from_json("", json.dumps(body))
            await ten_env_tester.send_data(data)


def graph(properties: dict[str, Any]) -> dict[str, Any]:
    """A tester in the place of the others, and the captions."""
    return {
        "nodes": [
            {
                "type": "extension",
                "name": "caller",
                "addon": "ten:test_extension",
                "extension_group": "caller",
            },
            {
                "type": "extension",
                "name": "captions",
                "addon": "captions",
                "extension_group": "captions",
                "property": properties,
            },
        ],
        "connections": [
            {
                "extension": "caller",
                "data": [
                    {"name": name, "dest": [{"extension": "captions"}]}
                    for name in SENT
                ],
            }
        ],
    }


Show = Callable[..., dict[str, Any]]


def run(report: Path, messages: list[Message], properties: Any) -> None:
    caller = Caller(messages)
    caller.set_test_mode_graph(
        json.dumps(graph({"report_path": str(report), **properties}))
    )
    caller.set_timeout(60_000_000)
    # Nobody else ends it before the time is over.
    assert caller.run() is None


@pytest.fixture(scope="module", autouse=True)
def _registered(tmp_path_factory: pytest.TempPathFactory) -> None:
    """TEN says on stdout that it registers an addon, once."""
    run(tmp_path_factory.mktemp("first") / "report.json", [DONE, END], {})


@pytest.fixture
def show(tmp_path: Path) -> Show:
    def call(*messages: Message, **properties: Any) -> dict[str, Any]:
        report = tmp_path / "report.json"
        run(report, list(messages), properties)
        read: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return read

    return call


def test_a_whole_run(
    show: Show, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "call.srt"
    report = show(
        result("hel", 500, final=False),
        result("Hello.", 500),
        ("source_progress", {"position_ms": 2000, "duration_ms": 4000}),
        result("Good bye.", 2500),
        DONE,
        END,
        output_path=str(output),
    )
    assert capsys.readouterr().out.splitlines() == [
        "[00:00.5 – 00:01.4] Hello.",
        "[00:02.5 – 00:03.4] Good bye.",
    ]
    assert report == {
        "ending": "finished",
        "errors": 0,
        "given_up_ms": 0,
        "speed": None,
        "unfinished": "",
        "problem": "",
        "results": [result("Hello.", 500)[1], result("Good bye.", 2500)[1]],
    }
    text = output.read_text(encoding="utf-8")
    assert "00:00:02,500 --> 00:00:03,400\nGood bye." in text


def test_a_fatal_error_ends_the_app(
    show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    report = show(result("Hello.", 500), FATAL)
    assert report["ending"] == "fatal_error"
    assert len(report["results"]) == 1
    assert "✗ asr fatal error -1000: no such key" in capsys.readouterr().out


def test_a_lost_connection_is_named_and_so_is_its_return(
    show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    report = show(
        ("metrics", {"metrics": {"connect_delay": 20}}),
        ("error", {"module": "asr", "code": 1000, "message": "gone"}),
        ("metrics", {"metrics": {"connect_delay": 30}}),
        DONE,
        END,
    )
    assert report["ending"] == "finished"
    assert report["errors"] == 1
    assert capsys.readouterr().out.splitlines() == [
        "✗ asr error 1000: gone",
        "✓ connected again",
    ]


def test_the_end_without_an_answer_is_bounded(show: Show) -> None:
    report = show(result("Hello.", 0), DONE, wait_s="0.2")
    assert report["ending"] == "finalize_timeout"
    assert len(report["results"]) == 1


def test_waiting_for_a_lost_service_is_explained_and_bounded(
    show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = ("error", {"module": "asr", "code": 1000, "message": "gone"})
    report = show(result("Hello.", 0), gone, DONE, END, wait_s=0.4)
    assert report["ending"] == "disconnected"
    hints = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("…")
    ]
    assert hints == ["… the audio is over; waiting up to 0 s for the service"]


def test_a_source_error_is_shown_and_reported(
    show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    report = show(("source_error", {"message": "x.wav: no such file"}))
    assert report["ending"] == "source_error"
    assert report["problem"] == "x.wav: no such file"
    assert "✗ x.wav: no such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    "bad",
    [
        {"output_path": "call.doc"},
        {"wait_s": "soon"},
        {"output_path": "call.srt.txt"},
    ],
)
def test_bad_properties_end_the_app(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: dict[str, str]
) -> None:
    run(tmp_path / "report.json", [], bad)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"✗ captions: {next(iter(bad))}: ")


def test_messages_that_cannot_be_read_are_left_out(show: Show) -> None:
    report = show(
        ("asr_result", {"text": "x", "start_ms": "soon"}),
        ("metrics", {"metrics": "none"}),
        ("unheard_of", {}),
        result("Hello.", 0),
        DONE,
        END,
    )
    assert report["ending"] == "finished"
    assert [turn["text"] for turn in report["results"]] == ["Hello."]


def test_an_output_that_cannot_be_written_is_reported(
    show: Show, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gone" / "call.srt"
    report = show(result("Hello.", 0), DONE, END, output_path=str(path))
    assert report["ending"] == "finished"
    assert str(path) in report["problem"]
    assert str(path) in capsys.readouterr().out


def test_error_lines_name_module_code_and_vendor(
    show: Show, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor = {"vendor": "openai", "code": "1006", "message": "gone"}
    error = {
        "module": "asr",
        "code": 1000,
        "message": "connection\nlost [red]",
        "vendor_info": vendor,
    }
    fatal = {"module": "asr", "code": -1000, "message": "bad key\x1b[0m"}
    show(("error", error), ("error", {**fatal, "vendor_info": {}}))
    assert capsys.readouterr().out.splitlines() == [
        "✗ asr error 1000: connection lost [red] (openai 1006)",
        r"✗ asr fatal error -1000: bad key\u001b[0m",
    ]
