"""Captions: shows what the ASR extension hears and writes it to a file."""

from . import addon as addon
