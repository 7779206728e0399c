"""What is kept of a call: its audio, and all that was said on the wire.

``session_log`` makes the lines, ``dump_files`` puts both on disk.  The thread
that does so is `audio_dumper`'s.
"""
