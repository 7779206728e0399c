"""Measurements behind the docs, and proofs."""

from devkit.bootstrap import ensure_ten

ensure_ten()
