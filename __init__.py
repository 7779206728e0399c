"""Live speech to text with OpenAI's realtime transcription API, for TEN."""

from . import addon

__all__ = ["addon"]
