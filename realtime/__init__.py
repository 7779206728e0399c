"""The rules of OpenAI's realtime transcription protocol, without I/O.

Nothing in this package opens a socket, reads a clock, starts a task or knows
TEN.  Bytes of audio, server events and the current time go in; messages for
the wire and results for the user come out.  Read the modules in this order:

``settings``       a session's settings and their form in each dialect
``client_events``  what is said to the server
``events``         server events, read with suspicion
``shown``          texts of others, made fit to be shown
``faults``         what an error, close code or HTTP status means
``limits``         every bound of a call
``clock``          a session's audio time in the call
``habits``         what a call's server is known to do
``held_audio``     the audio that is not delivered yet
``items``          the turns of one connection
``handshake``      from the first event to confirmed settings
``session``        one connection: settings, items, errors
``link``           its signs of life, and how much may be sent ahead
``feed``           what is sent to it
``backoff``        when to try again
``change``         other settings while the call goes on
``connections``    which connection counts, and when to open one
``results``        what the core tells its user
``finalizes``      those that wait for their end signal
``delivery``       from turns to results with true times
``transcription``  the whole call: order, watermark, replay, finalize
"""
