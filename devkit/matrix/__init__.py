"""Combinations, requests and changes of settings, over real sockets.

``python -m devkit.matrix`` writes docs/compatibility.md.
"""

from devkit.bootstrap import ensure_ten

ensure_ten()
