"""`python flow.py kubeflow-pipelines …`. No rule lives here.

Results go to stdout, all else to stderr, and what is refused ends with exit code 2.
"""

# mypy: disable-error-code="untyped-decorator"
# Metaflow's copy of click has no types.

import json
import os
from dataclasses import replace
from functools import partial
from importlib import metadata
from typing import Any, Literal

from metaflow import metaflow_config
from metaflow._vendor import click
from metaflow.exception import MetaflowException
from metaflow.tagging_util import validate_tags

from . import access, compat, compat_parameters, console, deploy, names, options, resource, run_commands, runs, tokens
from .argo_options import ARGO_COMMANDS, given_argo_options, takes_argo_options
from .attributes import attribute_file, write_deployment, write_run
from .compiler import capabilities, size
from .compiler.emit import Documents
from .compiler.ir import Loops, Target
from .console import command as _command
from .console import recall as _recall
from .console import say as _say
from .console import see, write_run_id
from .console import server_of as _server
from .provenance import DeploymentNotes, FlowIdentity
from .refusals import Refused

RIVAL = "metaflow-kubeflow"

Form = Literal["spec", "resource"]


class RefusingGroup(click.Group):  # type: ignore[misc]
    """A group in which Metaflow's own errors of the user end with 2 too."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MetaflowException as error:
            said = compat.explain(error)
            if said is None:
                raise
            raise Refused(said) from error


@click.group()
def cli() -> None:
    """Commands that this extension adds."""


@cli.group(name="kubeflow-pipelines", cls=RefusingGroup, help="Commands related to Kubeflow Pipelines.")
@click.option("--name", default=None, help="Name of the pipeline. The flow's name in lower case is used without it.")
@click.option(
    "--url",
    default=None,
    help="Where Kubeflow Pipelines answers, or kubeconfig:CONTEXT to go through the Kubernetes API server. "
    "METAFLOW_KUBEFLOW_PIPELINES_URL, else KF_PIPELINES_ENDPOINT, is used without it.",
)
@click.option(
    "--kubeflow-namespace",
    default=None,
    help="Namespace of runs, for a Kubeflow of several users. "
    "METAFLOW_KUBEFLOW_PIPELINES_NAMESPACE, else the namespace of this pod, is used without it.",
)
@click.pass_context
def kubeflow_pipelines(ctx: Any, name: str | None, url: str | None, kubeflow_namespace: str | None) -> None:
    """Set up what all commands share."""
    obj: compat.State = ctx.obj
    if _is_installed(RIVAL):
        raise Refused(f"{RIVAL}: is installed beside this extension and has the same commands. Uninstall one of them.")
    if ctx.invoked_subcommand not in ("create", *ARGO_COMMANDS):
        deploy.check_decorators(obj)
    obj.flow_identity = deploy.identity(obj)
    obj.pipeline_name = _pipeline_name(obj.flow_identity, name)
    obj.kubeflow_url = url or metaflow_config.KUBEFLOW_PIPELINES_URL or os.environ.get(access.SDK_URL)
    obj.kubeflow_namespace = (
        kubeflow_namespace or metaflow_config.KUBEFLOW_PIPELINES_NAMESPACE or access.namespace_of_pod()
    )


_authorize = click.option("--authorize", default=None, help="The deployment's production token, if another made it.")


@kubeflow_pipelines.command(help="Deploy a new version of this flow to Kubeflow Pipelines.")
@_authorize
@click.option("--generate-new-token", is_flag=True, help="Make a new production token, and so a new namespace.")
@click.option("--new-token", default=None, help="Use this production token, and so this namespace, from now on.")
@click.option("--tag", "tags", multiple=True, help="Tag every run of this deployment. May be given several times.")
@click.option("--namespace", default=None, help="Metaflow namespace that steps read from, in place of the deployer's.")
@options.shared_pods
@click.option(
    "--version-name", default=None, help="Name of the pipeline's version. A hash of its content is used without it."
)
@click.option("--experiment", default=None, help="Experiment of the runs that @schedule starts.")
@click.option("--title", "--workflow-title", default=None, help="Title of the pipeline, for people to read.")
@click.option(
    "--description",
    "--workflow-description",
    default=None,
    help="Description of the pipeline. The flow's docstring is used without it.",
)
@click.option(
    "--workflow-timeout",
    default=None,
    type=click.IntRange(min=1),
    help="Seconds after which a run is stopped. Needs Kubeflow Pipelines 2.17.",
)
@click.option(
    "--server-version",
    default=None,
    help="Version of Kubeflow Pipelines to write for. Without it and METAFLOW_KUBEFLOW_PIPELINES_SERVER_VERSION, the "
    f"version that the server tells; with --only-json, {capabilities.USUAL}.",
)
@click.option(
    "--only-json", is_flag=True, help="Write the pipeline's documents instead of deploying them. Touches no server."
)
@click.option(
    "--format",
    "form",
    default="spec",
    show_default=True,
    type=click.Choice(["spec", "resource"]),
    help="With --only-json: the documents as they are uploaded, or as the Kubernetes resources of a pipeline.",
)
@click.option(
    "--keep-code", is_flag=True, help="With --only-json: store the code too, which pods of these documents fetch."
)
@click.option(
    "-o", "--output", default=None, type=click.Path(dir_okay=False), help="With --only-json, write to this file."
)
@attribute_file
@takes_argo_options
@click.pass_context
def create(
    ctx: Any,
    authorize: str | None,
    generate_new_token: bool,
    new_token: str | None,
    tags: tuple[str, ...],
    namespace: str | None,
    max_workers: int,
    fuse: bool,
    splits_per_pod: int | None,
    loops: Loops,
    version_name: str | None,
    experiment: str | None,
    title: str | None,
    description: str | None,
    workflow_timeout: int | None,
    server_version: str | None,
    only_json: bool,
    form: Form,
    keep_code: bool,
    output: str | None,
    deployer_attribute_file: str | None,
) -> None:
    """Compile, store and upload; or compile and print."""
    obj: compat.State = ctx.obj
    validate_tags(tags)
    if not only_json and (output is not None or form != "spec" or keep_code):
        raise Refused("--output, --format and --keep-code: are for --only-json. Give it too, or none of them.")
    said = server_version or metaflow_config.KUBEFLOW_PIPELINES_SERVER_VERSION
    target = Target(
        pipeline=obj.pipeline_name,
        max_workers=max_workers,
        steps_config=metaflow_config.KUBEFLOW_PIPELINES_STEPS_CONFIG,
        steps_secret=metaflow_config.KUBEFLOW_PIPELINES_STEPS_SECRET,
        # Who deploys needs one too, so that its own settings tell.
        service_token=bool(metaflow_config.SERVICE_AUTH_KEY),
        secrets=compat.secrets_of_all_steps(),
        namespace=obj.kubeflow_namespace,
        workflow_timeout=workflow_timeout,
        title=title,
        description=description,
        loops=loops,
        fuse=fuse,
        splits_per_pod=splits_per_pod,
    )
    if said or only_json:
        target = replace(target, capabilities=capabilities.of(said or capabilities.USUAL, "the version that was said"))
    deploy.check_flow(obj, target, given_argo_options(ctx))
    if experiment is not None and deploy.scheduled(obj) is None:
        raise Refused("--experiment: is for the runs of @schedule, and this flow has none. Give it to trigger.")
    asked = tokens.TokenOptions(authorize, new_token, generate_new_token)
    owner = deploy.owner(obj.flow_identity, target.pipeline)
    if only_json:
        token = tokens.without_server(owner, asked, kept=keep_code)
        documents = _compile(obj, target, token, tags, namespace, keep=keep_code)
        text = _print_documents(obj, target, documents, deploy.notes(obj, token), version_name, form, output)
        write_deployment(obj, deployer_attribute_file, {"pipeline_documents": text})
        return
    server = _server(obj)
    # A server of one user takes no namespace, so no step can be said to run in one.
    target = replace(target, capabilities=server.capabilities(said), namespace=server.namespace)
    obj.echo(f"Deploying *{obj.flow.name}* to Kubeflow Pipelines...", bold=True)
    if target.capabilities.note:
        obj.echo(target.capabilities.note)
    grant = deploy.grant(server, target, obj.flow_identity, asked)
    documents = _compile(obj, target, grant.token, tags, namespace, keep=True)
    made = deploy.create(
        server,
        deploy.notes(obj, grant.token),
        target,
        documents,
        version_name,
        cron=deploy.scheduled(obj),
        experiment=experiment,
        grant=grant,
    )
    _say_deployed(obj, made)
    _tell_token(obj, owner, grant.token)
    obj.echo(f"Start a run with: {_command(obj)} trigger")
    write_deployment(obj, deployer_attribute_file, {})


def _compile(
    obj: compat.State, target: Target, token: str, tags: tuple[str, ...], namespace: str | None, *, keep: bool
) -> Documents:
    documents = deploy.compile_flow(obj, target, token=token, tags=tags, namespace=namespace, keep=keep)
    if note := size.note(documents, target):
        obj.echo(note)
    return documents


def _print_documents(
    obj: compat.State,
    target: Target,
    documents: Documents,
    noted: DeploymentNotes,
    version_name: str | None,
    form: Form,
    output: str | None,
) -> str:
    """Write the documents in that form; gives their text."""
    if deploy.scheduled(obj) is not None:
        obj.echo("Documents carry no schedule: the recurring run of @schedule is made by `create` without --only-json.")
    if form == "resource":
        version = version_name or deploy.content(documents)
        text = resource.resources(documents, target, noted, version, obj.kubeflow_namespace)
    else:
        text = documents.text(indent=2)
    console.write(text, output)
    return text


def _say_deployed(obj: compat.State, made: deploy.Deployed) -> None:
    change = "is deployed already, nothing has changed" if made.unchanged else "deployed"
    obj.echo(
        f"Pipeline *{made.pipeline.name}* for flow *{obj.flow.name}* {change}; its version is {made.version.name}.",
        bold=True,
    )
    schedule = made.schedule
    if schedule.cron is not None:
        paused = "; it is PAUSED on Kubeflow Pipelines, and was left so" if schedule.paused else ""
        # Metaflow's echo would take the stars for marks of bold.
        obj.echo(f"Its schedule is {schedule.cron!r} (seconds first; {schedule.change}){paused}.", no_bold=True)
    elif schedule.change == "removed":
        obj.echo("Its schedule is removed.")


@compat_parameters.with_flow_parameters
@kubeflow_pipelines.command(cls=compat_parameters.CommandWithFlowParameters, help="Start a run of the deployed flow.")
@click.option("--run-id-file", default=None, type=click.Path(dir_okay=False), help="Write the run's id to this file.")
@click.option(
    "--experiment", default=None, help="Experiment that the run belongs to; made when there is none of this name."
)
@click.option("--version-name", default=None, help="Version of the pipeline to run. The newest is run without it.")
@attribute_file
@click.pass_context
def trigger(
    ctx: Any,
    run_id_file: str | None,
    experiment: str | None,
    version_name: str | None,
    deployer_attribute_file: str | None,
    **values: Any,
) -> None:
    """Start a run with the parameters that were given."""
    obj = ctx.obj
    run_id = deploy.trigger(
        _server(obj),
        obj.flow_identity,
        obj.pipeline_name,
        compat_parameters.given_parameters(obj, ctx, values),
        lambda blob: compat.store(obj, blob),
        version_name=version_name,
        experiment=experiment,
    )
    obj.echo(f"Pipeline *{obj.pipeline_name}* started (run-id *{run_id}*).", bold=True)
    write_run_id(run_id_file, run_id)
    write_run(obj, deployer_attribute_file, run_id)
    see(obj, run_id)


@kubeflow_pipelines.command(help="Say how a run stands, and why steps failed.")
@click.argument("run-id")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.pass_obj
def status(obj: compat.State, run_id: str, as_json: bool) -> None:
    """Print the run's state and what is wrong with its steps."""
    look = partial(compat.ended_well, obj)
    stands = deploy.status(
        _server(obj), obj.flow_identity, obj.pipeline_name, run_id, compat.steps(obj), _recall(obj), look
    )
    if as_json:
        _say(obj, json.dumps(stands.document()))
        return
    _say(obj, stands.state.capitalize())
    for task in stands.tasks:
        if task.error:
            _say(obj, f"  {task}: {task.error}")
    if stands.error and not any(task.error for task in stands.tasks):
        _say(obj, f"  {stands.error}")


@kubeflow_pipelines.command(help="Terminate a run.")
@click.argument("run-id")
@_authorize
@click.pass_obj
def terminate(obj: compat.State, run_id: str, authorize: str | None) -> None:
    """Stop the run's pods."""
    stopped = deploy.terminate(
        _server(obj), obj.flow_identity, obj.pipeline_name, run_id, _recall(obj), authorize=authorize
    )
    obj.echo(f"Run *{stopped}* is being terminated.", bold=True)


@kubeflow_pipelines.command(help="Delete the flow's pipeline from Kubeflow Pipelines, with all its versions.")
@_authorize
@click.pass_obj
def delete(obj: compat.State, authorize: str | None) -> None:
    """Delete the pipeline; runs that it started go on and stay."""
    deploy.delete(_server(obj), obj.flow_identity, obj.pipeline_name, authorize=authorize)
    obj.echo(
        f"Pipeline *{obj.pipeline_name}* is deleted. Runs that are under way go on; terminate them if need be.",
        bold=True,
    )


@kubeflow_pipelines.command(name="list", help="List the pipelines that were made from this flow.")
@click.option("--all", "every", is_flag=True, help="List those of all Metaflow flows, each with its flow.")
@click.option("--versions", "of_versions", is_flag=True, help="List this pipeline's versions, newest first.")
@click.option("--runs", "of_runs", is_flag=True, help="List this pipeline's newest runs, with their states.")
@click.option("--most", default=20, show_default=True, type=click.IntRange(min=1), help="With --runs: how many.")
@click.pass_obj
def list_pipelines(obj: compat.State, every: bool, of_versions: bool, of_runs: bool, most: int) -> None:
    """Print one pipeline, version or run a line."""
    if every + of_versions + of_runs > 1:
        raise Refused("--all, --versions, --runs: are three lists. Give one of them.")
    server = _server(obj)
    if of_versions:
        for version in runs.versions(server, obj.flow_identity, obj.pipeline_name):
            _say(obj, f"{version.name} {version.created}".rstrip())
        return
    if of_runs:
        for run in runs.recent(server, obj.flow_identity, obj.pipeline_name, most):
            _say(obj, f"{names.run_id(run.id)} {run.state.capitalize()} {run.created}".rstrip())
        return
    for name, flow in deploy.deployments(server, None if every else obj.flow.name):
        _say(obj, f"{name} {flow}" if every else name)


for _each in (*run_commands.COMMANDS, *ARGO_COMMANDS.values()):
    kubeflow_pipelines.add_command(_each)


def _pipeline_name(identity: FlowIdentity, given: str | None) -> str:
    if identity.project is None or identity.branch is None:
        return names.pipeline_name(identity.flow, given)
    if given is not None:
        raise Refused("--name: is not for a flow with @project, whose project and branch name it. Use --branch.")
    return names.project_pipeline_name(identity.project, identity.branch, identity.flow)


def _tell_token(obj: compat.State, owner: tokens.Owner, token: str) -> None:
    """Say the production token as Metaflow's other integrations do, and keep it on this machine as they do."""
    obj.echo(f'The namespace of its runs is production:{token}. In a notebook: namespace("production:{token}")')
    obj.echo(f"Others deploy new versions with: {_command(obj)} create --authorize {token}")
    try:
        compat.keep_token(owner.prefix, token)
    except OSError as error:
        obj.echo(f"The token could not be kept on this machine ({error.strerror}). Give it with --authorize next time.")


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
