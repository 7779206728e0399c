"""`GET /v1/models`: what a client asks whether key and model are right."""

from __future__ import annotations

import json
from urllib.parse import unquote

from .admission import (
    Policy,
    Request,
    check_key,
    is_no_name,
    of_this_machine,
)
from .errors import ApiError, http_error, refusal
from .models import PROFILES

_PATH = "/v1/models"


def model_answer(request: Request, policy: Policy) -> tuple[int, bytes] | None:
    """HTTP status and JSON body of the list, or of one model of it; None for
    another path."""
    path = request.path.removeprefix("/openai" if policy.azure else "")
    if path != _PATH and not path.startswith(f"{_PATH}/"):
        return None
    origin, host = map(request.headers.get, ("origin", "host"))
    # A page of a name that leads here sends no origin with a GET.
    if not (of_this_machine(origin) and is_no_name(host or "")):
        return 403, http_error(403).http_body()
    try:
        check_key(request, policy)
    except ApiError as error:
        return 401, error.http_body()
    wanted = unquote(path[len(_PATH) + 1 :])
    if wanted and wanted not in policy.models:
        return 404, refusal("model_not_found").http_body()
    if wanted:
        return 200, json.dumps(_model(wanted)).encode()
    names = [*PROFILES, *policy.models.deployments]
    listed = {"object": "list", "data": [_model(name) for name in names]}
    return 200, json.dumps(listed).encode()


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "devkit"}
