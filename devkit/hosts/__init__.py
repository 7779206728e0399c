"""Runs the same tests on the stand-in and on TEN, and tells the differences.

A development tool; see ``python -m devkit.hosts --help``.
"""
