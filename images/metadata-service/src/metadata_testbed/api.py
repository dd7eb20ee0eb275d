"""A client of the service that says what it expects, and makes the objects that a test stands on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import httpx

from metadata_testbed.described import check_answer

_numbers = itertools.count(1)


class Api:
    """Requests to one service. Bodies may be anything that JSON holds, or bytes as they are.

    Each answer is held against the OpenAPI description.
    """

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, event_hooks={"response": [check_answer]})

    def get(self, path: str, query: Mapping[str, str] | None = None, status: int = 200) -> Any:
        return self._read(self.http.get(path, params=query), status)

    def post(self, path: str, body: object = None, status: int = 200) -> Any:
        return self._send("POST", path, {} if body is None else body, status)

    def patch(self, path: str, body: object, status: int = 200) -> Any:
        return self._send("PATCH", path, body, status)

    def message(self, method: str, path: str, status: int, body: object = None) -> str:
        """The message of an error that is expected."""
        answer = self._send(method, path, body, status)
        assert set(answer) == {"message", "request_id"}, answer
        message: str = answer["message"]
        return message

    def pages(self, path: str, limit: int, query: Mapping[str, str] | None = None) -> list[list[Any]]:
        """All pages of a list, by following the cursors."""
        pages, cursor = [], ""
        while True:
            page = {"_limit": str(limit), **({"_cursor": cursor} if cursor else {})}
            response = self.http.get(path, params={**(query or {}), **page})
            pages.append(self._read(response, 200))
            assert response.headers["X-Limit"] == str(limit)
            cursor = response.headers.get("X-Next-Cursor", "")
            if not cursor:
                return pages

    def new_flow(self) -> str:
        """A flow that no other test knows; gives its path."""
        path = f"/flows/Flow{next(_numbers)}"
        self.post(path)
        return path

    def new_run(self, flow: str | None = None, **body: object) -> str:
        """A run; gives its path."""
        flow = flow or self.new_flow()
        return f"{flow}/runs/{self.post(f'{flow}/run', body)['run_number']}"

    def new_step(self, run: str | None = None, name: str = "start") -> str:
        """A step; gives its path."""
        step = f"{run or self.new_run()}/steps/{name}"
        self.post(f"{step}/step")
        return step

    def new_task(self, step: str | None = None, **body: object) -> str:
        """A task; gives its path."""
        step = step or self.new_step()
        return f"{step}/tasks/{self.post(f'{step}/task', body)['task_id']}"

    def _send(self, method: str, path: str, body: object, status: int) -> Any:
        if body is None:
            return self._read(self.http.request(method, path), status)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._read(self.http.request(method, path, content=content), status)

    @staticmethod
    def _read(response: httpx.Response, status: int) -> Any:
        assert response.status_code == status, f"{response.status_code}: {response.text}"
        assert response.headers["METADATA_SERVICE_VERSION"] == "2.6.1"
        return response.json()
