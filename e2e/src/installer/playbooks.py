"""The platform goes in by the very playbooks that a production user runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.settings import Settings
from installer.stages import StageFailed, command

ROOT = Path(__file__).parents[3]


def variables(settings: Settings, *, helm: Path, values: Sequence[Path]) -> dict[str, object]:
    """The extra variables of playbooks/install.yml and uninstall.yml: paths, names and addresses, no secrets."""
    address = "http://127.0.0.1:{}".format
    return {
        "tributary_kubeconfig": str(settings.kubeconfig),
        "tributary_context": settings.kube_context,
        "tributary_namespace": settings.namespace,
        "tributary_release": settings.release,
        "tributary_profile": profile(settings),
        "tributary_values_files": [str(file) for file in values],
        "tributary_kubeflow_namespace": settings.kubeflow_namespace,
        "tributary_helm": str(helm),
        "tributary_client_ask_endpoints": not settings.context,
        "tributary_client_dir": str(settings.client),
        "tributary_client_metadata_service_url": address(settings.ports.metadata_service),
        "tributary_client_object_store_url": address(settings.ports.object_store),
        "tributary_client_kubeflow_pipelines_url": address(settings.ports.kubeflow_pipelines),
        "tributary_client_ui_url": address(settings.ports.ui),
    }


def profile(settings: Settings) -> str:
    """The chart's profile: PROFILE, else the one that fits the cluster."""
    return os.environ.get("PROFILE") or ("production" if settings.context else "kind")


def run(settings: Settings, playbook: str, given: dict[str, object], *words: str) -> None:
    """Run one playbook. Raises StageFailed, after Ansible has said what failed."""
    file = settings.state / "playbook-variables.json"
    file.write_text(json.dumps(given, indent=1))
    ansible = Path(sys.executable).parent / "ansible-playbook"
    log = settings.logs / f"{playbook}.log"
    try:
        _play(settings, playbook, [str(ansible), f"{playbook}.yml", "--extra-vars", f"@{file}", *words], log)
    except StageFailed as failed:
        raise StageFailed(failed.stage, 2 if _refused(log) else 1) from failed


def _refused(log: Path) -> bool:
    """Whether it was preflight that failed: it looks at what the user gave, all others at the world."""
    tasks = [line for line in log.read_text().splitlines() if "TASK [" in line]
    return bool(tasks) and "TASK [preflight " in tasks[-1]


def _play(settings: Settings, playbook: str, argv: Sequence[str], log: Path) -> None:
    ansible = Path(argv[0])
    command(
        playbook,
        argv,
        folder=ROOT / "playbooks",
        also={
            "ANSIBLE_CONFIG": str(ROOT / "playbooks" / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(settings.state / "ansible"),
            "ANSIBLE_FORCE_COLOR": "1" if sys.stdout.isatty() else "0",
            "PATH": f"{ansible.parent}{os.pathsep}{os.environ['PATH']}",
        },
        log=log,
        log_stays=settings.apart is None,
    )
