"""What is kept of a call: its audio, and all that was said on the wire.

In this order: ``dump_files`` (names and opens the files), ``session_log`` (the
lines), ``texts`` (lines without what was said).  The thread that writes them is
in ``audio_dumper.py``.
"""
