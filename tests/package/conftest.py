"""The script of a call is that of the extension's tests."""

import sys
from pathlib import Path

_EXTENSION = str(Path(__file__).parents[1] / "extension")
if _EXTENSION not in sys.path:
    sys.path.insert(0, _EXTENSION)
