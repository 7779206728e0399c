"""What keeps secrets in, and the files of others out of harm's way.

In this order: ``escapes`` (texts as they read without their escapes),
``redaction`` (masks what is secret), ``private_files``.
"""
