"""Signal code: input frames to the wire format, and local turn detection.

In this order: ``g711``, ``wav`` (wire audio as a file), ``planes`` (channels
that stand apart), ``resample``, ``converter`` (frames to wire audio),
``speech`` (where audio is loud), ``model`` (how likely it is speech), ``turns``
(the local detector).

Arrays and bytes in, arrays and bytes out: no sockets, no asyncio, no clock
and no TEN in here, so every result depends on the samples alone.
"""
