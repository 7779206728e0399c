"""What TEN's ASR contract asks of us: messages, frames, commands, log lines.

In this order: ``log``, ``dump`` (what is kept on disk), ``pace`` (how often to
report), ``errors``, ``language_tags``, ``confidence``, ``handlers`` (the
``on_asr_*`` handlers: results of the core as TEN messages), ``frames`` (TEN's
frames on their way to the call), ``commands`` (``update_configs``).  Each
takes what it needs of TEN's base class through an interface of its own.
"""
