"""Production tokens: who may deploy over a deployment, delete it, or stop its runs.

The rules are those of Metaflow's Argo integration: whoever deployed the flow may go on without the token, everybody
else must have it; a first deployment, or one with --generate-new-token, makes a new one. A deployment's token is read
from Kubeflow Pipelines. When that fails, the command fails: no answer is never taken for "there is no token".
"""

from dataclasses import dataclass

from . import compat
from .provenance import DeploymentNotes
from .refusals import Refused

# Stands for the token in documents that are only looked at (create --only-json), as in Metaflow's own integrations.
PLACEHOLDER = "__PLACEHOLDER_PRODUCTION_TOKEN__"

_PRODUCTION = "production:"


@dataclass(frozen=True)
class Owner:
    """Who asks, and under which name this machine keeps the token of the flow's deployments."""

    user: str
    prefix: str
    is_project: bool = False


@dataclass(frozen=True)
class TokenOptions:
    """--authorize, --new-token and --generate-new-token, as they were given."""

    authorize: str | None = None
    new: str | None = None
    generate: bool = False


def check(pipeline: str, deployed: DeploymentNotes | None, owner: Owner, authorize: str | None, doing: str) -> None:
    """Refused when the deployment has a token, another user deployed it, and the token given or kept is not its own.

    `doing` is the command to give --authorize to.
    """
    if deployed is None or deployed.token is None or deployed.owner == owner.user:
        return
    known = _bare(authorize) if authorize is not None else compat.kept_token(owner.prefix)
    if known != deployed.token:
        raise Refused(
            f"pipeline {pipeline!r}: was deployed by {deployed.owner!r}, and the production token is not theirs. "
            f"Ask them for it, and give it once: kubeflow-pipelines {doing} --authorize TOKEN."
        )


def for_new_version(pipeline: str, deployed: DeploymentNotes | None, owner: Owner, options: TokenOptions) -> str:
    """The token of the version that is about to be deployed over `deployed`, which is None for the first.

    Refused when this user may not, and when a token is asked for that cannot be.
    """
    check(pipeline, deployed, owner, options.authorize, "create")
    _check_options(owner, options)
    if options.new:
        return _bare(options.new)
    previous = deployed.token if deployed else None
    return _generated(owner, previous) if previous is None or options.generate else previous


def without_server(owner: Owner, options: TokenOptions, *, kept: bool) -> str:
    """The token of documents for which no server is asked: the one asked for, else that of a first deployment when
    their code is kept, so that they can be run, else PLACEHOLDER. Always the same.
    """
    _check_options(owner, options)
    if options.new:
        return _bare(options.new)
    return _generated(owner, None) if options.generate or kept else PLACEHOLDER


def _check_options(owner: Owner, options: TokenOptions) -> None:
    if options.new and options.generate:
        raise Refused("--new-token: excludes --generate-new-token. Give one of them.")
    if options.new and owner.is_project:
        raise Refused(
            "--new-token: a flow with @project shares its token with all flows of the branch. Use --generate-new-token."
        )


def _generated(owner: Owner, previous: str | None) -> str:
    token = compat.next_token(owner.prefix, previous)
    if token is None:
        raise Refused("--generate-new-token: does not follow on a token from --new-token. Give another --new-token.")
    return token


def _bare(token: str) -> str:
    return token.removeprefix(_PRODUCTION)
