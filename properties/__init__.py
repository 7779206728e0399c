"""From the properties of a node to a configuration that holds.

In this order: ``spelling`` (where a property stands), ``checks`` (what pydantic
cannot say, and advice), ``loading`` (one set of properties), ``updates``
(commands that change it).  The models of the configuration are in
``config.py``, what the service can do in `service`.
"""
