"""File source: plays an audio file as if somebody were calling."""

from . import addon as addon
