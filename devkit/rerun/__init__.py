"""Runs a dumped call again: `python -m devkit.rerun --help`."""
