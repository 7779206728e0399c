"""``python -m devkit.demo.on_ten APP_DIR [--end-with-input]``: an app directory
on the real TEN runtime, wherever that is installed.

TEN reads the property.json of the app that it is installed in; this one is
handed over instead, and APP_DIR's extensions are found on ``sys.path``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from devkit.bootstrap import ensure_ten
from devkit.parent import END_WITH_INPUT, interrupt_after_input

#: What Ctrl-C gives where it has to insist.
FORCED = 130


def main(directory: Path) -> int:
    """Run the app until it closes itself; 2: this is not the real runtime."""
    if ensure_ten() != "real":
        print("devkit.demo: no TEN runtime is importable", file=sys.stderr)
        return 2
    from ten_runtime import App, TenEnv

    text = (directory / "property.json").read_text(encoding="utf-8")
    sys.path.insert(0, str(directory))
    os.chdir(directory)

    class DemoApp(App):
        def on_configure(self, ten_env: TenEnv) -> None:
            ten_env.init_property_from_json(text)
            ten_env.on_configure_done()

    apps: list[App] = []
    made = threading.Event()
    interrupts = 0

    def live() -> None:
        try:
            apps.append(DemoApp())
        finally:
            made.set()
        apps[0].run(False)

    def close() -> None:
        with contextlib.suppress(RuntimeError):  # it is about to end anyway
            apps[0].close()

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            os._exit(FORCED)
        threading.Thread(target=close, daemon=True).start()

    # An App runs in the thread that made it, and holds that until its end:
    # no signal would come through there.
    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    made.wait()
    if not apps:
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # A signal that another thread gets does not end a join without a limit.
    while thread.is_alive():
        thread.join(0.2)
    return 0


if __name__ == "__main__":
    if END_WITH_INPUT in sys.argv[2:]:
        interrupt_after_input()
    sys.exit(main(Path(sys.argv[1]).resolve()))
