"""Holds real answers against the OpenAPI description."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from metadata_service.api.application import description

# Of long lists the first records tell enough.
_LOOKED_AT = 20


def check_answer(response: httpx.Response) -> None:
    """Raises AssertionError for an answer that the description does not allow.

    Where a body was sent and taken, the description must allow the body too.
    """
    if response.request.method == "HEAD":
        # Not described by itself: it is GET without the content.
        return
    path, method = _template(response.request.url.path), response.request.method.lower()
    if path is None or method not in description()["paths"][path]:
        assert response.status_code in (400, 404, 405), f"{method} {path}: {response.status_code}"
        return
    described = description()["paths"][path][method]
    where = f"{described['operationId']}: {response.status_code}"
    assert str(response.status_code) in described["responses"], f"{where} is not in the description"
    ((kind, content),) = described["responses"][str(response.status_code)]["content"].items()
    assert response.headers["content-type"].partition(";")[0] == kind, where
    response.read()
    if kind == "application/json":
        _check(where, content["schema"], response.json())
    if response.status_code == 200 and "requestBody" in described:
        sent = json.loads(response.request.content)
        _check(f"{where}, body", described["requestBody"]["content"]["application/json"]["schema"], sent)


def _check(where: str, schema: dict[str, Any], content: Any) -> None:
    if isinstance(content, list):
        content = content[:_LOOKED_AT]
    problem = next(_validator(json.dumps(schema)).iter_errors(content), None)
    assert problem is None, f"{where}: {problem.json_path}: {problem.message}"


@functools.cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": description()["components"]})


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in description()["paths"]]


def _template(path: str) -> str | None:
    """The path of the description that the path of a request is one of."""
    return next((template for pattern, template in _templates() if pattern.fullmatch(path)), None)
