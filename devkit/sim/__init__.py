"""A simulated call: the core and a simulated service on a virtual clock.

`words` are the audio, `server` the service, `detector` the local detector,
`call` puts them round the core, `state` is what is known of the call, `watch`
looks after every step whether a promise was broken, `random_call` makes a
whole call from a seed.
"""

from devkit.bootstrap import ensure_ten

ensure_ten()
