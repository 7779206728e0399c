"""`python -m devkit.demo`: see `--help`."""

import contextlib
import functools
import io
import json
import os
import shlex
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devkit.shown import (
    harmless,
    harmless_lines,
    one_line,
    shown_path,
    shown_url,
)
from devkit.usage import UsageError, fail

from .arguments import Job, parse
from .processes import DemoError, LocalServer, Signals, run_app
from .service import ROOT, shown_fallback
from .word_error_rate import Run, word_diff, word_error_rate

_HOSTS = {
    "ten": "the TEN runtime",
    "standin": "the stand-in for the TEN runtime",
}
# Before what was said and not heard (red), what was heard instead (green), and
# behind both.
_COLORS = ("\x1b[31m", "\x1b[32m", "\x1b[0m")
_NO_COLORS = ("", "", "")
APP = ROOT / "examples" / "live_captions"
#: Of the speed that was asked for.
_KEPT_UP = 0.9
_fail = functools.partial(fail, "devkit.demo")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit status (see `--help`)."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        job = parse(
            sys.argv[1:] if arguments is None else arguments, os.environ
        )
        with Signals() as signals, contextlib.ExitStack() as servers:
            first = url = job.url
            if url is None:
                server = servers.enter_context(_local(job, job.port))
                servers.callback(_tell_if_ended, server)
                first = server.url
                _describe(server, job)
            else:
                print(f"server  {shown_url(url)}")
            assert first is not None
            second = job.fallback
            if second == "local":
                server = servers.enter_context(_local(job, 0))
                servers.callback(_tell_if_ended, server)
                second = server.url
                print(f"second  {second} (local, pid {server.pid})")
            elif second:
                print(f"second  {shown_fallback(job, first, second)}")
            return _run(job, first, second, signals)
    except UsageError as error:
        return _fail(str(error), 2)
    except DemoError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    except BrokenPipeError:  # as of `| head`; nor is the rest to be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # what is printed cannot be written, or the like
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _fail(error.strerror or type(error).__name__, 1)


def _local(job: Job, port: int) -> LocalServer:
    return LocalServer(port, job.environment, job.server_options)


def _describe(server: LocalServer, job: Job) -> None:
    options = shlex.join(job.server_options)
    place = shlex.quote(str(ROOT))
    python = os.path.relpath(sys.executable, ROOT)
    if python.startswith(".."):
        python = sys.executable
    again = (
        f"cd {place} && {shlex.quote(python)} -m devkit.server"
        f" --port {server.port} {options}"
    )
    print(f"server  {server.url} (local, pid {server.pid})")
    if job.fallback:
        print("        to see the second one take over, in another terminal:")
        print(f"        kill {server.pid}")
    else:
        print("        to see it fail and come back, in another terminal:")
        print(f"        kill {server.pid}; sleep 3")
        print(f"        {harmless(again)}")
    if job.keywords:
        print("        its recogniser takes no keywords: they have no effect")


def _tell_if_ended(server: LocalServer) -> None:
    how = server.ended()
    if how is not None:
        print(f"The local server (pid {server.pid}) ended in the run: {how}.")


def _run(job: Job, url: str, fallback: str, signals: Signals) -> int:
    print(f"host    {_HOSTS[job.runtime]}")
    audio = shown_path(job.audio)
    print(f"audio   {audio} ({job.audio_note})", end="\n\n", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        report_path = Path(directory) / "report.json"
        # The page bears the recording's name.
        dump = Path(directory) / f"{job.audio.stem}.pcm"
        environment = {
            **job.environment,
            **({} if job.color else {"NO_COLOR": "1"}),
            "DEVKIT_RUNTIME": job.runtime,
            "LIVE_CAPTIONS_AUDIO": str(job.audio),
            "LIVE_CAPTIONS_SPEED": str(job.speed),
            "LIVE_CAPTIONS_SERVER": url,
            "LIVE_CAPTIONS_FALLBACK": fallback,
            "LIVE_CAPTIONS_FALLBACK_KEY": job.fallback_key,
            "LIVE_CAPTIONS_MODEL": job.model,
            "LIVE_CAPTIONS_LANGUAGE": job.language,
            "LIVE_CAPTIONS_KEYWORDS": job.keywords,
            "LIVE_CAPTIONS_TURN_DETECTION": job.turn_detection,
            "LIVE_CAPTIONS_DUMP": "true" if job.report else "false",
            "LIVE_CAPTIONS_DUMP_PATH": str(dump),
            "LIVE_CAPTIONS_OUTPUT": str(job.output or ""),
            "LIVE_CAPTIONS_REPORT": str(report_path),
        }
        status, log = run_app(APP, environment, signals)
        report = _read_report(report_path)
        if job.report is not None and report is not None:
            _write_page(dump.with_suffix(".jsonl"), job.report)
    if report is None:
        _restore_terminal()
        if signals.stopped:
            return _fail("stopped", 130)
        sys.stderr.write(harmless_lines(log))
        return _fail(f"the app ended with exit status {status}", 1)
    return _conclude(job, report, signals)


def _write_page(log: Path, page: Path) -> None:
    from devkit.report.__main__ import main as report

    # It says itself what it did, or what was wrong.
    print()
    if not log.exists():
        raise DemoError(f"{page}: the call left no session log")
    if report([str(log), "--output", str(page)]):
        raise DemoError(f"{page}: not written, see above")


def _conclude(job: Job, report: dict[str, Any], signals: Signals) -> int:
    """Print the transcript and what it is worth."""
    turns = [one_line(str(result["text"])) for result in report["results"]]
    print("\nTranscript")
    if report["unfinished"]:
        turns.append(f"(unfinished) {one_line(str(report['unfinished']))}")
    print("\n".join(f"  {turn}" for turn in turns) or "  (no speech)")
    print()
    if job.output is not None and not report["problem"]:
        print(f"written to {harmless(shlex.quote(str(job.output)))}")
    problem = _problem(report)
    if signals.stopped:
        return _fail("stopped", 130)
    reached = report["speed"]
    if reached is not None and reached < _KEPT_UP * job.speed:
        print(f"SPEED={job.speed:g} is more than this machine can do: it was")
        print(f"{reached:g}, and times are later than they would be")
    # What was not recognised for a reason is no error of the recogniser.
    if job.reference is not None and report["results"] and not problem:
        transcript = " ".join(turns)
        colors = _COLORS if job.color and _takes_color() else _NO_COLORS
        for runs in word_diff(job.reference, transcript):
            print("  … " + " ".join(_marked(run, colors) for run in runs))
        rate = word_error_rate(job.reference, transcript)
        print(f"word error rate: {rate:.2f}")
    sys.stdout.flush()
    return _fail(problem, 1) if problem else 0


def _takes_color() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _marked(run: Run, colors: tuple[str, str, str]) -> str:
    """As wdiff marks it: [-said-] {+heard+}."""
    if run.kind == "equal":
        return run.said
    said, heard, end = colors
    marked = []
    if run.said:
        marked.append(f"{said}[-{_short(run.said)}-]{end}")
    if run.heard:
        marked.append(f"{heard}{{+{_short(run.heard)}+}}{end}")
    return " ".join(marked)


def _short(words: str) -> str:
    return textwrap.shorten(words, 60, placeholder=" …")


def _problem(report: dict[str, Any]) -> str:
    """Why the transcript is no success, one line; empty if it is one."""
    if report["problem"]:
        # The captions have shown it already.
        return "failed, see above"
    if report["ending"] == "finished":
        if report["errors"] and not report["results"]:
            return "no transcript: there were errors, see above"
        if lost_ms := report["given_up_ms"]:
            return (
                f"the transcript is not complete: {lost_ms / 1000:.1f} s of"
                " audio were given up, see above"
            )
        return ""
    return {
        "fatal_error": "the speech recognition gave up, see above",
        "disconnected": "the transcript is not complete: the service was lost "
        "or did not answer in time",
        "finalize_timeout": "the transcript may not be complete: no answer "
        "to the end of the audio",
    }.get(str(report["ending"]), f"the run ended early: {report['ending']}")


def _read_report(path: Path) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        report = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(report, dict):
            return report
    return None


def _restore_terminal() -> None:
    """Show the cursor again if the app could not do it itself."""
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[J\x1b[?25h")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
