"""Leaves secrets out of whatever is shown: messages, logs, answers.

A `Redactor` knows the configured secrets and finds them in many spellings and
in parts; what merely looks like a key is left out as well.  Each call has one,
owned by the extension; a secret that was known once stays hidden.
"""

from __future__ import annotations

import contextlib

# Python would load it with the first secret, and so in the loop, in a call.
import encodings.utf_16_be  # noqa: F401
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, unquote_plus

from ..realtime.json_text import read_json
from ..service.endpoint import (
    OPEN_PARAMETERS,
    is_known_word,
    names_secret,
    url_secrets,
)
from ..service.models import MODEL_NAMES
from ..service.options import SESSION_FIELD
from .escapes import View, views

_MASK = "***"
#: Shorter texts are not searched for: they are found in ordinary words.
_SHORTEST = 8
#: So many characters of a longer secret in a row are hidden as well.
_PART = 12
#: A token of 2000 characters, say, is looked at less closely.
_LONG = 512
#: Parts of these are no secret, wherever they stand.
_PUBLIC = "\n".join((*MODEL_NAMES, "transcription", "application/json"))
#: Of the ephemeral secrets that a server sends so many are learned in a call,
#: the last ones of a message and of all are remembered, and longer ones (in
#: characters) are not looked at: a flood must not cost memory or time.
_MOST_HEARD, _MOST_KEPT = 200, 8
_LONGEST_HEARD, _LONGEST_MESSAGE = 256, 65_536
#: Names, ids and words come again and again: so many are remembered, with what
#: is shown of them, and none that is longer (in characters).
_MOST_SEEN, _LONGEST_SEEN = 256, 64

#: A word of English, where a scheme of authentication has its secret.
_WORD = r"(?!(?-i:[A-Z]?[a-z]{1,15}|[A-Z]{2,14})[^\w+/=~-]*(?:\s|$))"
#: What may stand between both.
_BETWEEN = r"(?:\s|%20|[+:=\"'<])+"
_KEYS = re.compile(
    # OpenAI's; by itself also where most of it is masked already.
    r"(?<![a-z0-9])(?:sk[-_]|ek[-_]|sess-)[\w*.-]{3,}"
    r"|(?:sk|ek)[-_](?=[a-z_-]{0,60}\d)"
    r"(?:(?:[a-z]{2,8}[-_])?[a-z0-9]{12}[\w-]*|[\w-]{40,})"
    # JSON Web Tokens (RFC 7519).
    r"|(?-i:eyJ)[\w-]{8,}(?:\.[\w-]+)*|(?-i:EYJ)[A-Z0-9_-]{8,400}\.[A-Z0-9_.-]+"
    # Credentials after their scheme (RFC 9110, 11.4), also URL-encoded.
    rf"|(?<=bearer){_BETWEEN}{_WORD}[\w*.~+/=%-]{{4,}}"
    rf"|(?<=basic){_BETWEEN}{_WORD}[\w+/=%-]{{6,}}"
    # The user part of a URL, and where it was taken for a path.
    r"|(?:(?<=://)|(?<=:/))[^\s/\"]*@",
    re.IGNORECASE,
)
#: Azure's: 32 hexadecimal digits, or 84 letters and digits.  OpenAI's
#: request ids look like the former, and help to look an error up.
_BARE_KEYS = re.compile(r"(?<!req_)[0-9a-fA-F]{32,}|[A-Za-z0-9]{64,}")
_KEY_NAMES = ("api_key", "key")
_URL_NAMES = ("websocket_base_url", "base_url", "url")
#: Headers whose values are no secret.
_OPEN_HEADERS = ("accept", "content-type", "openai-beta", "user-agent")


class Redactor:
    """Replaces secrets with ``***``; safe to use from several threads."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._heard: dict[str, _Pieces] = {}
        self._heard_count = 0
        #: By length: lower-case pieces whose occurrence is a secret's.
        self._pieces: _Pieces = {}
        self._heard_pieces: _Pieces = {}
        #: What `identifier` made of short texts, by what is known now.
        self._seen: dict[str, str] = {}
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Leave these out as well from now on."""
        new = {s for s in secrets if len(s) >= _SHORTEST} - self._secrets
        self._secrets |= new
        _add(self._pieces, map(_pieces, new))
        self._seen = {}

    def overhear(self, message: bytes | str) -> None:
        """Learn the ephemeral secrets in a message of the server."""
        if len(message) > _LONGEST_MESSAGE or self._heard_count > _MOST_HEARD:
            return
        if isinstance(message, bytes):
            message = message.decode("utf-8", "replace")
        if "client_secret" not in message and "ek_" not in message:
            return
        found = re.findall(r"ek_[\w-]{5,}", message)
        with contextlib.suppress(ValueError, AttributeError):
            event = read_json(message)
            session = event.get("session", event)
            found += _ephemeral(session.get("client_secret"))
        known = self._secrets | self._heard.keys()
        lengths = range(_SHORTEST, _LONGEST_HEARD + 1)
        new = {s: None for s in found if len(s) in lengths and s not in known}
        if not new:
            return
        for secret in list(new)[-_MOST_KEPT:]:
            self._heard[secret] = _pieces(secret)
            self._heard_count += 1
        while len(self._heard) > _MOST_KEPT:
            del self._heard[next(iter(self._heard))]
        self._heard_pieces = {}
        _add(self._heard_pieces, self._heard.values())
        self._seen = {}

    def text(self, text: str) -> str:
        """``text`` without secrets, nor anything that looks like a key."""
        return _BARE_KEYS.sub(_MASK, self.identifier(text))

    def known(self, text: str) -> str:
        """``text`` without the secrets that are known: for what people said."""
        if len(text) < _SHORTEST:
            # No escape means more than it has characters.
            return text
        hidden = [span for view in views(text) for span in self._hidden(view)]
        if not hidden:
            return text
        shown: list[str] = []
        end = 0
        for start, stop in sorted(hidden):
            if start > end or not shown:
                shown += [text[end:start], _MASK]
            end = max(end, stop)
        return "".join(shown) + text[end:]

    def _hidden(self, view: View) -> list[tuple[int, int]]:
        """Where secrets are, in characters of the text that is viewed."""
        lower = _lower(view.text)
        return [
            (view.starts[at], view.stops[at + size - 1])
            for pieces in (self._pieces, self._heard_pieces)
            # A copy, for another thread may learn of more.
            for size, known in list(pieces.items())
            for at in range(len(lower) - size + 1)
            if lower[at : at + size] in known
        ]

    def identifier(self, text: str) -> str:
        """`text` for an id, which may consist of hexadecimal digits."""
        # Another thread may learn meanwhile, and begin another one.
        seen = self._seen
        shown = seen.get(text)
        if shown is None:
            shown = _KEYS.sub(_masked, self.known(text))
            if len(text) <= _LONGEST_SEEN:
                if len(seen) >= _MOST_SEEN:
                    seen.clear()
                seen[text] = shown
        return shown

    def value(self, value: Any, name: str = "", said: bool = False) -> Any:
        """A value as JSON has it, without secrets, names of fields included.
        ``name`` is that of its own field: texts under ``api_key`` or
        ``authorization`` are secrets, whatever they look like.  ``said``:
        people said it, so without those that are `known` only."""
        if isinstance(value, str):
            return self.known(value) if said else self._field(value, name)
        if isinstance(value, Mapping):
            inner = name if names_secret(name) else ""
            return {
                self.value(k, "id", said): self.value(v, inner or k, said)
                for k, v in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(entry, name, said) for entry in value]
        if isinstance(value, (int, float)):
            digits = str(value)
            if isinstance(value, float):
                # 1e-05 is a short 0.00001; `f` alone would round it.
                digits += f" {Decimal(digits):f}"
            return value if self.known(digits) == digits else _MASK
        return value

    def _field(self, text: str, name: str) -> str:
        is_id = name == "id" or name.endswith("_id")
        shown = (self.identifier if is_id else self.text)(text)
        secret = text and shown == text and names_secret(name)
        return _MASK if secret else shown


# -- where secrets are ----------------------------------------------------


def secrets_in(properties: Any) -> list[str]:
    """The secrets in a node's properties, valid or not."""
    if not isinstance(properties, Mapping):
        return []
    scopes = [*_objects(properties), *_objects(properties.get("params"))]
    for scope in tuple(scopes):
        scopes += _objects(scope.get("fallbacks"))
    # Gateways have it in a header or in the URL as well.
    models = [
        part.get("model")
        for scope in scopes
        for part in (scope, scope.get("input_audio_transcription"))
        if isinstance(part, Mapping)
    ]
    return [
        text
        for scope in scopes
        for name, value in scope.items()
        for text in _secrets_of(name, value)
        if name in _KEY_NAMES or text not in models
    ]


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """An object, or those of a list."""
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, Mapping)]


def _secrets_of(name: str, value: Any) -> Iterator[str]:
    if name in _KEY_NAMES:
        yield from _texts(value)
    elif name == "headers":
        for header, inner in _entries(value):
            if header.lower() not in _OPEN_HEADERS:
                for text in _texts(inner):
                    yield from _credentials(text)
    elif name == "query":
        for key, inner in _entries(value):
            if key not in OPEN_PARAMETERS:
                yield from (t for t in _texts(inner) if not is_known_word(t))
    elif name in _URL_NAMES:
        for text in _texts(value):
            yield from url_secrets(text)
    elif name == "session":
        yield from _unknown_texts(value)


def _entries(value: Any) -> Iterable[tuple[str, Any]]:
    return value.items() if isinstance(value, Mapping) else [("", value)]


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, whatever type it has by mistake."""
    if isinstance(value, (str, int, float)):
        yield str(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _ephemeral(secret: Any) -> Iterator[str]:
    """That of a server: the text, or the ``value`` beside when it ends."""
    value = secret.get("value") if isinstance(secret, Mapping) else secret
    if isinstance(value, str):
        yield value


def _credentials(text: str) -> Iterator[str]:
    """A header's value, and the parts in which somebody may repeat it."""
    yield text
    scheme, _, rest = text.strip().partition(" ")
    yield from rest.split()
    if scheme.lower() == "basic":
        try:
            user = b64decode(rest).decode()
        except ValueError:
            return
        yield from (user, *user.split(":", 1))


def _unknown_texts(value: Any, known: bool = True) -> Iterator[str]:
    """The texts and numbers in a session that are in no field of the API: who
    adds one may put a secret there, whatever its name is."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if names_secret(name):
                yield from _texts(inner)
            else:
                of_api = known and SESSION_FIELD.fullmatch(name) is not None
                yield from _unknown_texts(inner, of_api)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _unknown_texts(inner, known)
    elif not known:
        yield from (t for t in _texts(value) if t not in _PUBLIC)


def proxy_secrets(environment: Mapping[str, str]) -> list[str]:
    """User names and passwords of the proxies in the environment."""
    found = []
    for name, value in environment.items():
        if name.lower().endswith("_proxy"):
            whole = value if "://" in value else f"//{value}"
            user = whole.partition("//")[2].rpartition("@")[0]
            found += [user, *user.split(":", 1)]
    return found


# -- how they may be spelled ----------------------------------------------


_Pieces = dict[int, set[str]]


def _pieces(secret: str) -> _Pieces:
    """By length: the pieces that tell that a text contains the secret."""
    # Of a long one (a token of 2000 characters) every third piece and so on:
    # they still cover all of it, for less time and memory.
    step = min(1 + len(secret) // _LONG, 8)
    found: _Pieces = {}
    for form in map(_lower, _forms(secret)):
        size = min(len(form), _PART)
        if size >= _SHORTEST:
            pieces = found.setdefault(size, set())
            last = len(form) - size
            pieces.update(form[at : at + size] for at in range(0, last, step))
            pieces.add(form[last:])
    for pieces in found.values():
        pieces -= {piece for piece in pieces if piece in _PUBLIC}
    return found


def _add(pieces: _Pieces, more: Iterable[_Pieces]) -> None:
    for part in more:
        for size, found in part.items():
            pieces.setdefault(size, set()).update(found)


def _forms(secret: str) -> set[str]:
    """The spellings that no escape makes; those are undone in the text."""
    values = {
        secret,
        # Not only ASCII: these may have other lengths.
        secret.upper(),
        secret.lower(),
        secret.casefold(),
        unquote(secret),
        unquote_plus(secret),
    }
    # Where it has what looks like an escape, that is undone as well.
    plain = {view.text for text in values for view in views(text)}
    # As error messages are put on one line.
    plain |= {_on_one_line(text) for text in plain}
    forms = set(plain)
    if len(secret) > _LONG:
        # Not in every case: that would take the loop's time.
        values = plain = {secret, unquote(secret)}
    for text in plain:
        # A blank in URLs; and their escapes stand for bytes, those of JSON
        # for units of UTF-16.
        data = text.encode("utf-8", "replace")
        forms |= {text.replace(" ", "+"), data.decode("latin-1"), _units(text)}
    for text in values:
        data = text.encode("utf-8", "replace")
        forms |= {*_base64_forms(data), data.hex()}
    return forms


def _units(text: str) -> str:
    data = text.encode("utf-16-be", "surrogatepass")
    pairs = zip(data[::2], data[1::2], strict=True)
    return "".join(chr(high << 8 | low) for high, low in pairs)


def _on_one_line(text: str) -> str:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())


def _base64_forms(data: bytes) -> Iterator[str]:
    """How the data looks in base64, by itself and after other data: in three
    alignments (a character is six bits), without those characters that other
    bytes have a share in."""
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(data).decode()
        for before, first in ((0, 0), (1, 2), (2, 3)):
            whole = encode(bytes(before) + data).decode()
            yield whole[first : (before + len(data)) * 8 // 6]


def _lower(text: str) -> str:
    """Lower case of the same length, character by character."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := c.lower()) == 1 else c for c in text)


def _masked(match: re.Match[str]) -> str:
    found = match[0]
    if found.endswith("@"):
        return f"{_MASK}@"
    # The blank after a scheme is no part of the secret.
    return f" {_MASK}" if found[0] in " \t\n%+" else _MASK
