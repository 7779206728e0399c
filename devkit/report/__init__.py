"""Makes one page of a dumped call: `python -m devkit.report --help`.

In this order: ``fields`` and ``numbers`` (what a log says, checked; numbers for
people), ``timeline`` (times to places in the audio), ``turns``,
``connections``, ``finalizes``, ``commits``, ``levels`` and ``sound`` (the
audio), ``prices`` and ``summary``, ``bands`` (audio that was lost or sent
again), ``remedies`` and ``advice`` (what an error means and what to do),
``aftermath`` (what that depends on), ``happened`` (what somebody should know),
``findings`` and ``input_checks`` (that of the log, and of the audio),
``bounds`` (how much of it a page carries), ``session`` (all of a call),
``verdict`` (it in a sentence), ``comparison`` (two runs), ``axis`` (what the
script draws), ``page`` (the HTML, from ``files/``), ``picture`` (the pictures
of docs/report.md).
"""
