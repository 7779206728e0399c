"""What TEN's ASR contract asks of us: messages, frames, commands, log lines.

In this order: ``dump`` (what is kept on disk), ``reports`` (log lines and
errors, and how often they come), ``result_fields`` (language and confidence),
``owners`` (whose audio lies where), ``handlers`` (the ``on_asr_*`` handlers:
results of the core as TEN messages), ``frames`` (TEN's frames on their way to
the call), ``lifecycle`` (how calls begin, are changed by ``update_configs``,
and end).
"""
