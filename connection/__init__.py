"""How the service is reached, and what it means when it is not.

In this order: ``interface`` (what the client is given), ``proxies``,
``eyeballs`` (the first address that answers), ``attempt`` (how far one has
come), ``threads`` (for what takes long), ``late_import`` (packages that are
loaded when needed), ``cas`` (whom to trust), ``tls`` (handshakes), ``tunnel``
(the way by a proxy), ``dialer`` (opens connections), ``faults`` (what an
exception means), ``file_answers`` and ``file_session`` (turns that are sent as
files, without I/O), ``http_streams`` (what requests are written to, and answers
read from), ``http_client`` (the ``openai`` package's), ``http_faults`` and
``http_connection`` (the same with I/O: what stands for a connection), ``alarm``
(a timer that knows when it is due), ``dispatcher`` (hands results to the
listener), ``driver`` (does what the core asks for).
Whether and when to connect is decided in `realtime`.
"""
