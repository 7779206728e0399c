"""Reads what a call with `dump: true` left on disk.

In this order: ``lines`` (the lines of a session log, and what is wrong with
one), ``recording`` (the call in them, and the audio beside the log). The
format: docs/session_log.md.
"""
