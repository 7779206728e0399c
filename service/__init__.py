"""Facts about OpenAI's service: its models, their options, its addresses.

In this order: ``models``, ``languages``, ``options`` (a configuration's wishes
as a model can take them), ``files`` (what is asked of the HTTP endpoint),
``endpoint``.  Nothing in here does anything.
"""
