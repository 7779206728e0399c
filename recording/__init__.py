"""What is kept of a call: all that was said on the wire, as ``session_log``
writes it.  The thread that writes, and the audio, are `audio_dumper`'s."""
