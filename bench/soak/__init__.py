"""Proofs that no word is lost and none said twice.

``core``     millions of words through the core, on a virtual clock
``sockets``  the client, or the whole extension, over real sockets
``speech``   real speech, with the server killed again and again
``memory``   an hour's call: does anything grow?
"""
