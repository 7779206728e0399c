"""The rules of OpenAI's realtime transcription protocol, without I/O.

Nothing in this package opens a socket, reads a clock, starts a task or knows
TEN.  Bytes of audio, server events and the current time go in; messages for
the wire and results for the user come out.  Read the modules in this order:

What is said:

``settings``       what a session is asked to do
``client_events``  what is said to the server
``json_text``      JSON that others wrote
``events``         server events, read with suspicion
``errors``         its errors, made safe
``faults``         what an error, close code or HTTP status means
``file_refusals``  the same for a turn that is sent as a file
``shown``          texts of others, made fit to be shown
``results``        what the core tells its user

One session:

``states``         what a table of states is
``limits``         every bound of a call
``habits``         what a call's server is known to do
``handshake``      from the first event to confirmed settings
``sent_audio``     what was sent, and where its time lies in the call
``timed_text``     words and speakers with their times
``turn``           one turn of speech
``turn_list``      the turns in spoken order, and our open commits
``chain``          was the notice of an item lost?
``refused_commits`` what of a commit becomes that the server refused
``item_events``    what events mean for the turns
``error_events``   those that are no answer to anything
``session``        all of these together
``hold``           why sending waits at a commit mark
``commit_answers`` until when commits must have been answered
``pings``          the PINGs of a connection, and what they prove
``link``           a session's signs of life, and how much may be sent ahead

The whole call:

``spans``          stretches of audio
``local_speech``   what a local detector says about it
``audio_buffer``   the audio that is not delivered yet, and the watermark
``turn_bound``     where a turn ends that nobody ends
``silence_skip``   what of the audio is not sent
``feed``           what is sent to the active session
``result_queue``   from turns to results with true times
``backoff``        when to try again
``patience``       how long an endpoint may be without a session
``endpoints``      the services that may be used, and what is known of them
``change``         a change of the settings; an attempt to connect
``sessions``       which one counts, and when to open another
``finalizes``      those that wait for their end signal
``suspicion``      is a service that says nothing deaf?
``quiet``          what is let go of as silence
``first_turn``     where a turn of the server's ends, by level
``caution``        less at once, after sessions that ended barren
``resend``         when a turn that failed is sent again
``wishes``         the times that the service named for such turns
``replay``         what is sent again
``early_finals``   when a turn's text so far becomes its final
``text_allowance`` how much text a server may have told in a second
``progress``       what is delivered, or given up
``in_force``       the settings in force, and how they change
``failover``       which of several endpoints is used
``due``            by which time things are judged
``exchange``       the service's side: what comes over the connections
``transcription``  the user's side; the parts put together
"""
