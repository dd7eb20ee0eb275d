"""Routes of tokens, for those who may do everything."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from metadata_service.api import paths
from metadata_service.api.access import access, need_everywhere
from metadata_service.api.answers import answer
from metadata_service.api.bodies import read_body
from metadata_service.api.routing import Operation
from metadata_service.domain.tokens import IssuedToken, NewToken, Rotation, Token
from metadata_service.storage.token_keeping import issue_token, revoke_token, rotate_token

TOKENS = "/tokens"
TOKEN = TOKENS + "/{token_id}"


async def list_tokens(request: Request) -> Response:
    need_everywhere(request)
    return answer(await paths.storage(request).tokens.list())


async def create_token(request: Request) -> Response:
    need_everywhere(request)
    draft = await read_body(request, NewToken)
    return answer(await issue_token(paths.storage(request).tokens, draft, int(time.time())))


async def renew_token(request: Request) -> Response:
    need_everywhere(request)
    rotation = await read_body(request, Rotation)
    token_id: str = request.path_params["token_id"]
    issued = await rotate_token(paths.storage(request).tokens, token_id, rotation, int(time.time()))
    access(request).forget(token_id)
    return answer(issued)


async def delete_token(request: Request) -> Response:
    need_everywhere(request)
    token_id: str = request.path_params["token_id"]
    revoked = await revoke_token(paths.storage(request).tokens, token_id, int(time.time()))
    access(request).forget(token_id)
    return answer(revoked)


ROUTES = [
    Operation("GET", TOKENS, list_tokens, gives=list[Token], needs="admin", refuses=(404, 503)),
    Operation("POST", TOKENS, create_token, gives=IssuedToken, body=NewToken, needs="admin", refuses=(404, 503)),
    Operation("POST", TOKEN + "/rotate", renew_token, gives=IssuedToken, body=Rotation, needs="admin"),
    Operation("DELETE", TOKEN, delete_token, gives=Token, needs="admin"),
]
