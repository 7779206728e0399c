"""Measurements behind the documents; not shipped."""
