"""What TEN's ASR contract asks of us: messages, frames, commands, log lines.

In this order: ``log``, ``dump`` (what is kept on disk), ``errors`` (what is
told, and how often), ``result_fields`` (language and confidence), ``handlers``
(the ``on_asr_*`` handlers: results of the core as TEN messages), ``frames``
(TEN's frames on their way to the call), ``lifecycle`` (how calls begin and
end), ``commands`` (``update_configs``).
"""
