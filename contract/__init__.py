"""What TEN's ASR contract asks of us: messages, log lines, language tags.

In this order: ``log``, ``language_tags``, ``confidence``, ``pace`` (how often
to report), ``messages`` (results of the core as TEN messages).
"""
