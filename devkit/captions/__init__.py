"""`python -m devkit.captions`: a page that captions what its microphone hears.

To read in this order: ``wishes`` (what a page may ask for), ``door`` (who is
let in, and the files of the page), ``call`` (one call: a TEN app in a process
of its own), ``relay`` (a connection that can be cut), ``cuts`` (when it may
be), ``session`` (a page that is open), ``server`` (joins page and call),
``arguments``.
"""
