"""The pictures of terminals in the documents, made by running what they show.

In this order: ``terminal`` (runs a command in a terminal and draws it),
``scenes`` (what is run).  The command: ``python -m devkit.pictures``.
"""
