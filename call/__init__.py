"""One call: its parts put together, and the changes of its settings.

In this order: ``detector`` (loads the local one), ``intake`` (from a frame to
wire audio and local turns), ``call`` (the parts of a call and their life),
``slot`` (which call a node has, as states), ``lifecycle`` (how calls begin and
end there), ``update_queue`` (commands that wait for the service).  No TEN in
here.
"""
