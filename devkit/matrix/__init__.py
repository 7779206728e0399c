"""Every combination of settings, tried over a real socket.

``python -m devkit.matrix`` writes docs/compatibility.md.
"""

from devkit.bootstrap import ensure_ten

ensure_ten()
