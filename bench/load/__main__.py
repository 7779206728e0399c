"""python -m bench.cpu: CPU per second of audio and stream, of each client.

The clients are fed with frames of 10 ms at 16 kHz in real time, one after the
other, each in a process of its own; the service runs in another one.  livekit
is the STT of livekit-plugins-openai, if that is installed.  Exit status: 0
done, 1 a client did not deliver, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib.util import find_spec

from .clients import CLIENTS

_NEEDS = {"openai": "openai", "livekit": "livekit.plugins.openai"}


def installed(name: str) -> bool:
    """Can this client run here?"""
    try:
        return find_spec(_NEEDS.get(name, "websockets")) is not None
    except ModuleNotFoundError:
        return False


def measured(
    name: str, url: str, streams: int, seconds: int
) -> dict[str, float]:
    """What one run of a client said; raises `RuntimeError`."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "bench.cpu.clients"),
            *(name, url, str(streams), str(seconds)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"{name}: {' '.join(last)}")
    result: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    if result["finals"] < result["due"]:
        raise RuntimeError(
            f"{name}: {result['finals']} finals of {result['due']}"
        )
    return result


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cpu", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--clients",
        nargs="+",
        choices=CLIENTS,
        default=[name for name in CLIENTS if installed(name)],
    )
    options = parser.parse_args(arguments)
    if min(*options.streams, options.rounds) < 1 or options.seconds < 4:
        parser.error("--streams, --rounds: at least 1; --seconds: at least 4")
    for name in options.clients:
        if not installed(name):
            parser.error(f"--clients: {name} is not installed")
    service = subprocess.Popen(
        [sys.executable, "-m", "bench.cpu.service"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.stdout is not None
    url = f"http://127.0.0.1:{service.stdout.readline().strip()}/v1"
    print(
        "ms of CPU per second of audio and stream; every round; load"
        f" {os.getloadavg()[0]:.1f} at the start"
    )
    try:
        for streams in options.streams:
            for name in options.clients:
                rounds = []
                for _ in range(options.rounds):
                    result = measured(name, url, streams, options.seconds)
                    rounds.append(result["cpu_s"] * 1000)
                shares = [ms / streams / options.seconds for ms in rounds]
                text = "  ".join(f"{share:6.2f}" for share in shares)
                print(
                    f"{streams:3} streams  {name:12} {text}"
                    f"  finals {result['finals']:.0f}"
                    f"  interims {result['interims']:.0f}",
                    flush=True,
                )
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        service.communicate("")
    return 0


if __name__ == "__main__":
    sys.exit(main())
