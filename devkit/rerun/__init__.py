"""Runs a dumped call again: `python -m devkit.rerun --help`.

In this order: ``changes`` (what shall be otherwise), ``arguments``,
``playback`` (the call in the real extension), ``show`` (what is in the log).
"""
