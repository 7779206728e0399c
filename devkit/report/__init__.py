"""Makes one page of a dumped call: `python -m devkit.report --help`.

In this order: ``fields`` and ``numbers`` (what a log says, checked; numbers for
people), ``timeline`` (times to places in the audio), ``turns``,
``connections``, ``finalizes``, ``levels`` and ``sound`` (the audio), ``prices``
and ``summary``, ``advice`` (what an error means), ``happened`` and
``input_checks`` (what happened, what to do), ``session`` (all of a call),
``verdict`` (it in a sentence), ``comparison`` (two runs), ``axis`` (what the
script draws), ``page`` (the HTML, from ``files/``), ``picture`` (those of
docs/report.md).
"""
