"""Runs a TEN app directory on the stand-in runtime.

A development tool: in production the app runs on TEN.
"""

from .runner import run_app

__all__ = ["run_app"]
