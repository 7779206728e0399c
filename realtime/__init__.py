"""The rules of OpenAI's realtime transcription protocol, without I/O.

Nothing in this package opens a socket, reads a clock, starts a task or knows
TEN.  Bytes of audio, server events and the current time go in; messages for
the wire and results for the user come out.  Read the modules in this order:

``models``         what each transcription model can and cannot do
``settings``       a session's settings and their form in each dialect
``events``         server events, read with suspicion
``faults``         what an error, close code or HTTP status means
``held_audio``     the audio that is not delivered yet
``items``          the turns of one connection
``session``        one connection: handshake, settings, errors
``feed``           what is sent to it
``connections``    which connection counts, and when to open one
``delivery``       from turns to results with true times
``transcription``  the whole call: order, watermark, replay, finalize
"""
