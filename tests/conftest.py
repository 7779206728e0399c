"""One rule for every test: the real TEN runtime if it can be imported."""

from devkit.bootstrap import ensure_ten

ensure_ten()
