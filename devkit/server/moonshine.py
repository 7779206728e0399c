"""Which model the recogniser loads: Moonshine's, by language or directory.

Source: the catalog of `moonshine_voice` 0.1.0. English is in its wheel
(``tiny-en``); the others its own downloader gets.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from devkit.shown import shown_python

_FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
_STREAMING_FILES = ("encoder.ort", "decoder_kv.ort", "tokenizer.bin")
# moonshine_voice.ModelArch, as the models' directories are called.
_ARCHITECTURES = {
    "tiny": 0,
    "base": 1,
    "tiny-streaming": 2,
    "base-streaming": 3,
    "small-streaming": 4,
    "medium-streaming": 5,
}
_NAME = re.compile(rf"({'|'.join(sorted(_ARCHITECTURES, reverse=True))})(-|$)")
# Where no wheel is, the package is missing, whatever pip was told.
NO_PACKAGE = (
    "engine speech needs the package moonshine-voice (pip install -r "
    "requirements-speech.txt; wheels: Linux with glibc 2.34 or newer, macOS "
    "arm64, Windows); without it: --engine script, or make demo SERVER=openai"
)


@dataclass(frozen=True, slots=True)
class Model:
    """``arch``: the number of moonshine_voice.ModelArch. ``language``: a code
    like ``en``; the first subtag counts."""

    directory: Path
    arch: int
    language: str

    @property
    def arguments(self) -> tuple[str, str, str]:
        """What the recogniser process is started with."""
        # A bound against loops; other scripts need more tokens for a second.
        tokens = "6.5" if self.language == "en" else "13.0"
        return str(self.directory), str(self.arch), tokens


def find_model(language: str, directory: str | None) -> Model:
    """The model of a language, or that of a directory.

    Raises ModuleNotFoundError if moonshine-voice is not installed, ValueError
    with one line if the model is not there or was not to be had.
    """
    if importlib.util.find_spec("moonshine_voice") is None:
        raise ModuleNotFoundError(NO_PACKAGE)
    language = language.lower().partition("-")[0]
    if directory is not None:
        return _in_directory(Path(directory).expanduser(), language)
    if language == "en":
        package = importlib.util.find_spec("moonshine_voice")
        assert package is not None
        assert package.origin is not None
        return _in_directory(
            Path(package.origin).parent / "assets" / "tiny-en", "en"
        )
    return _downloaded(language)


def _in_directory(directory: Path, language: str) -> Model:
    if not directory.is_dir():
        raise ValueError(f"--model-dir: {directory}: no such directory")
    found = [_NAME.match(part) for part in reversed(directory.parts)]
    name = next((match for match in found if match), None)
    if name is None:
        raise ValueError(
            f"--model-dir: {directory}: no directory of its path is called "
            f"like a model: {', '.join(_ARCHITECTURES)}, as in base-es"
        )
    arch = name[1]
    for file in _STREAMING_FILES if "streaming" in arch else _FILES:
        if not (directory / file).is_file():
            raise ValueError(
                f"--model-dir: {directory}: not a Moonshine model, {file} is "
                "missing"
            )
    return Model(directory, _ARCHITECTURES[arch], language)


def _downloaded(language: str) -> Model:
    """From moonshine_voice's cache; what is missing there it downloads."""
    from moonshine_voice import (  # type: ignore[import,unused-ignore]
        download,
    )

    known = download.supported_languages()
    if language not in known:
        raise ValueError(
            f"--language: Moonshine has no model for {language!r}, only for "
            + ", ".join(sorted(known))
        )
    info = download.find_model_info(language)
    try:
        directory, arch = download.download_model_from_info(info)
    except Exception as error:  # whatever its HTTP client finds
        reason = type(error).__name__
        raise ValueError(
            f"--language: the model for {language!r} is not here and could "
            f"not be downloaded ({reason}); where there is internet: "
            f"{shown_python()} -m moonshine_voice.download --stt --language "
            f"{language}"
        ) from None
    return Model(Path(directory), int(arch), language)
