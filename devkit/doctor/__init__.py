"""`python -m devkit.doctor`: why does it not hear me?

In this order: ``checks`` (what a check tells), ``machine`` (Python, packages,
runtime), ``source`` (which node's properties), ``origins`` (where each value
comes from), ``configuration`` (are they valid, what do they come to),
``options`` (what the service is told of them), ``network`` (names, addresses,
TLS), ``service`` (key and model), ``round_trip`` (a few seconds of speech),
``advice`` (the next step), ``view`` (terminal and JSON), ``examination`` (all
of it, in order) and ``__main__`` (the command).
"""
