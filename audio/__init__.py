"""Signal code: input frames to the wire format, and local turn detection.

Arrays and bytes in, arrays and bytes out: no sockets, no asyncio, no clock
and no TEN in here, so every result depends on the samples alone.
"""
