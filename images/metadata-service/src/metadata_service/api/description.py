"""The OpenAPI description, made from the table of routes: what is not in the table is neither served nor described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from metadata_service import API_VERSION
from metadata_service.api.answers import Error
from metadata_service.api.queries import DEFAULT_LIMIT, MAX_LIMIT, operators
from metadata_service.api.routing import Operation, PlainText

Json: TypeAlias = dict[str, Any]

_SCHEMAS = "#/components/schemas/{name}"

_REASONS = {
    400: "The request cannot be understood or stored; the message names what.",
    401: "The service asks for a token, and none that is valid was sent.",
    403: "The token is valid, and does not allow this.",
    404: "There is no such object.",
    408: "The body did not arrive in time.",
    409: "An object of that name is recorded already.",
    413: "The body is too large.",
    422: "What is asked is never done.",
    429: "The token has asked too often; it may ask again in a moment.",
    503: "The database cannot be asked now; the same request may succeed later.",
}

_SEGMENTS = {
    "flow_id": "Name of the flow.",
    "run_number": "Number of the run that the service gave, or its name that the client gave.",
    "step_name": "Name of the step.",
    "task_id": "Number of the task that the service gave, or its name that the client gave.",
    "token_id": "Id of the token.",
    "artifact_name": "Name of the artifact.",
    "attempt_id": "Number of the attempt, from 0.",
}

_SCHEMES: dict[str, Json] = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}

_PAGE_HEADERS = {
    "X-Limit": "Records that a page has at most. Only there when a page was asked for.",
    "X-Next-Cursor": "What the next page is asked for with, if there is one.",
    "X-Ignored-Parameters": "Parameters that this list does not know.",
}

# Of records: given as the database has them. An older service may have stored what is no list of texts.
_STORED_TAGS = {"description": "A list of texts, or null."}


def describe(operations: Iterable[Operation]) -> Json:
    """The description, as OpenAPI 3.1."""
    operations = tuple(operations)
    types = [kind for each in operations for kind in (each.gives, each.body) if kind not in (None, PlainText)]
    schemas, components = msgspec.json.schema_components([*types, Error], ref_template=_SCHEMAS)
    by_type = dict(zip((repr(kind) for kind in types), schemas, strict=False))
    for schema in components.values():
        for name, member in schema.get("properties", {}).items():
            if member.get("anyOf", [None])[0] == {}:
                schema["properties"][name] = _STORED_TAGS
    paths: dict[str, Json] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Metaflow's metadata service",
            "version": API_VERSION,
            "description": "What Metaflow records about runs. Every answer has the header METADATA_SERVICE_VERSION.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


def _operation(each: Operation, schemas: Mapping[str, Any]) -> Json:
    name = each.name
    described: Json = {
        "operationId": name,
        "summary": name.replace("_", " ").capitalize() + ".",
        "parameters": [*_segments(each.path), *_query(each)],
        "responses": {"200": _success(each, schemas), **{str(status): _error(status) for status in _statuses(each)}},
    }
    if each.needs is not None:
        # Nothing is enough as long as authentication is off.
        described["security"] = [{}, *({name: []} for name in _SCHEMES)]
    if each.body is not None:
        described["requestBody"] = {"required": True, "content": _json(schemas[repr(each.body)])}
    return described


def _success(each: Operation, schemas: Mapping[str, Any]) -> Json:
    content = {"text/plain": {"schema": {"type": "string"}}}
    if each.gives is not PlainText:
        content = _json(schemas[repr(each.gives)])
    success: Json = {"description": "As asked.", "content": content}
    if each.fields is not None:
        success["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in _PAGE_HEADERS.items()
        }
    return success


def _error(status: int) -> Json:
    return {"description": _REASONS[status], "content": _json({"$ref": _SCHEMAS.format(name=Error.__name__)})}


def _json(schema: Any) -> Json:
    return {"application/json": {"schema": schema}}


def _statuses(each: Operation) -> list[int]:
    statuses = set(each.refuses)
    if each.method == "DELETE":
        # Others may hang on it, or the user of the database may not be allowed to.
        statuses |= {422}
    if each.needs is not None:
        statuses |= {401, 403, 429, 503}
    if "{" in each.path:
        statuses |= {400, 404, 503}
    if each.fields is not None:
        statuses |= {400, 503}
    if each.body is not None:
        statuses |= {400, 408, 413}
    return sorted(statuses)


def _segments(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _SEGMENTS[name],
            "schema": {"type": "integer", "minimum": 0, "maximum": 99999}
            if name == "attempt_id"
            else {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query(each: Operation) -> list[Json]:
    parameters = [_text(name, meaning) for name, meaning in each.query.items()]
    if each.fields is None:
        return parameters
    parameters.append(
        {
            "name": "_limit",
            "in": "query",
            "description": f"Records of a page; {DEFAULT_LIMIT}, and at most {MAX_LIMIT}, newest first."
            " Without any parameter all records are given, oldest first.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        }
    )
    parameters.append(_text("_cursor", "X-Next-Cursor of the page before."))
    for mode in operators("tags"):
        parameters.append(_text(f"_tags:{mode}", "Tags, separated by commas, that user and system tags are held to."))
    for field, kind in each.fields.items():
        for operator in operators(kind):
            meaning = f"{operator} with any of these values, separated by commas; null means no value."
            parameters.append(_text(f"{field}:{operator}", f"{field} {meaning}"))
    return parameters


def _text(name: str, meaning: str) -> Json:
    return {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
