"""`python -m devkit.demo`: an audio file, live captions, a transcript."""
