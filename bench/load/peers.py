"""Clients of others, each in an environment of its own under build/peers."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from devkit.generated import ROOT

from .runs import RunError

#: Environment: what is installed into it.
_REQUIREMENTS = {
    "openai": ["openai[realtime]>=3.57,<4", "soxr>=0.5,<2", "numpy<3"],
    "livekit": ["livekit-plugins-openai>=1.8,<2"],
    "pipecat": ["pipecat-ai[openai,silero]>=1.14,<2"],
}
#: Who is measured: in which environment, and the package that is it.
PEERS = {
    "openai": ("openai", "openai"),
    "openai-reconnect": ("openai", "openai"),
    "livekit-server": ("livekit", "livekit-plugins-openai"),
    "livekit": ("livekit", "livekit-plugins-openai"),
    "livekit-session": ("livekit", "livekit-plugins-openai"),
    "pipecat": ("pipecat", "pipecat-ai"),
    "pipecat-server": ("pipecat", "pipecat-ai"),
}
#: Those that `bench.load` compares; the others differ where something breaks,
#: which is what `bench.faults` is for.
LOAD_PEERS = ("openai", "livekit-server", "livekit", "pipecat")
_INSTALL_S = 900


def environment(peer: str) -> Path:
    """The Python with this client, made if need be; raises `RunError`."""
    name, _ = PEERS[peer]
    folder = ROOT / "build" / "peers" / name
    python, ready = folder / "bin" / "python", folder / ".ready"
    wanted = "\n".join(_REQUIREMENTS[name])
    if ready.is_file() and ready.read_text() == wanted:
        return python
    print(f"installing {', '.join(_REQUIREMENTS[name])}", file=sys.stderr)
    venv.create(folder, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    try:
        run = subprocess.run(
            [*install, *_REQUIREMENTS[name]],
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"{peer}: the installation did not end") from None
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:]
        raise RunError(f"{peer}: cannot be installed: {' '.join(last)}")
    ready.write_text(wanted)
    return python


def version(python: str | Path, package: str) -> str:
    """``package version``, as that Python has it."""
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
    run = subprocess.run(
        [str(python), "-c", code, package],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{package} {run.stdout.strip() or 'not installed'}"
