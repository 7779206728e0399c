"""A form with one file, as multipart/form-data (RFC 7578)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import multipart  # type: ignore[import-untyped]

from ..errors import ApiError, invalid_type, invalid_value, missing_parameter
from .wire import Exchange, HttpError

_FORM = "multipart/form-data"
_MAX_FIELDS = 128
_MAX_FIELD_BYTES = 64 * 1024


@dataclass
class Form:
    """``fields``: the values of each name, ``x[]`` as ``x``, in order."""

    file: bytes = b""
    file_name: str = ""
    fields: dict[str, list[str]] = field(default_factory=dict)


def boundary_of(content_type: str) -> str:
    """Raises HttpError 415 for another type, 400 without a boundary."""
    kind, options = multipart.parse_options_header(content_type)
    if kind.lower() != _FORM:
        named = kind or "none"
        raise HttpError(
            415,
            ApiError(
                f"Unsupported content type: '{named}'. This API method only "
                f"accepts '{_FORM}' requests, but you specified the header "
                f"'Content-Type: {named}'. Please try again with a supported "
                "content type.",
                "unsupported_content_type",
            ),
        )
    boundary = options.get("boundary", "")
    # RFC 2046: at most 70 characters, none of which is exotic.
    if not boundary or len(boundary) > 200 or not boundary.isascii():
        raise _malformed("no usable boundary in the header Content-Type")
    return str(boundary)


async def read_form(exchange: Exchange, boundary: str) -> Form:
    """Read the request's body; raises HttpError."""
    form, files = Form(), 0
    part: Any = None
    content = bytearray()
    try:
        parser = multipart.PushMultipartParser(
            boundary, max_segment_count=_MAX_FIELDS
        )
        async for chunk in exchange.body():
            for event in parser.parse(chunk):
                if isinstance(event, multipart.MultipartSegment):
                    part, content = event, bytearray()
                elif event is not None:
                    content += event
                    if part.filename is None:
                        _check_length(part.name, content)
                elif part.filename is None:
                    _add(form, part.name, content)
                elif part.name == "file":
                    files += 1
                    form.file, form.file_name = bytes(content), part.filename
                else:
                    raise invalid_value(
                        part.name, f"'{part.name}' cannot be a file."
                    )
        parser.close()
    except multipart.MultipartError as error:
        raise _malformed(str(error.args[0])) from None
    except ApiError as error:
        raise HttpError(400, error) from None
    if files != 1:
        raise HttpError(400, _not_one_file(form, files))
    return form


def _add(form: Form, name: str, content: bytearray) -> None:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _malformed(f"the field {name!r} is no UTF-8") from None
    form.fields.setdefault(name.removesuffix("[]"), []).append(text)


def _check_length(name: str, content: bytearray) -> None:
    if len(content) > _MAX_FIELD_BYTES:
        hint = "; a file has a filename" if name == "file" else ""
        raise _malformed(f"the field {name!r} is too long{hint}")


def _not_one_file(form: Form, files: int) -> ApiError:
    if files:
        return ApiError("There is more than one file.", "invalid_value", "file")
    if "file" in form.fields:
        # A field without a file name, as of `curl -F file=x` without the @.
        return invalid_type("file", "a file", "")
    return missing_parameter("file")


def _malformed(message: str) -> HttpError:
    return HttpError(
        400, ApiError(f"Could not parse multipart form: {message}.")
    )
