"""One call: its parts put together, and the changes of its settings.

In this order: ``scoring`` (the speech model that all calls share), ``hearing``
(a call's detector and its scores), ``intake`` (wire audio and local turns on
their way to the client), ``gap`` (no frame comes any more), ``languages`` (what
was configured when a turn was heard), ``call`` (the parts of a call and their
life), ``slot`` (which call a node has, as states), ``update_queue`` (commands
that wait for the service).  No TEN in here.
"""
