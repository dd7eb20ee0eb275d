"""What each version of Kubeflow Pipelines understands.

A server that finds a field it does not know in the platform document may drop that document whole and say nothing
(2.14.3 does), so a field is written only for versions that know it. The table was read off the protos of each release
(kfp-pipeline-spec, kfp-kubernetes) and the API server's settings; between 2.5 and 2.14 there was no release of the
server.
"""

import re
from dataclasses import dataclass
from enum import Enum

from ..refusals import Refused

Number = tuple[int, int]

OLDEST: Number = (2, 5)
NEWEST: Number = (2, 17)

# What `create --only-json` writes for when nobody says a version: the one that our tests run on.
USUAL = "2.14"

# What servers tell that were built without a version.
UNTOLD = ("", "unknown")

OPTION = "--server-version"
SETTING = "METAFLOW_KUBEFLOW_PIPELINES_SERVER_VERSION"


class Feature(Enum):
    """Something that not every version understands: what it is, and the first version that does."""

    POD_DEADLINE = ("a time limit for a pod", (2, 5))
    PIPELINE_RESOURCES = ("pipelines as Kubernetes resources", (2, 14))
    OPTIONAL_ENVIRONMENT = ("variables from a Secret or ConfigMap that need not be there", (2, 15))
    SECURITY_CONTEXT = ("a security context", (2, 16))
    SUB_PATH = ("a mounted folder of a volume", (2, 16))
    PARAMETER_LIMIT = ("another limit for a run's parameters", (2, 16))
    WORKFLOW_TIMEOUT = ("a time limit for a whole run", (2, 17))
    WORKFLOW_TTL = ("the time after which an ended run is taken away", (2, 17))
    RETRY_INDEX = ("the number of an attempt in a variable", (2, 17))

    @property
    def what(self) -> str:
        """In words, as the object of "understands"."""
        return self.value[0]

    @property
    def since(self) -> Number:
        """The first version that understands it."""
        return self.value[1]


@dataclass(frozen=True)
class Capabilities:
    """What one server understands. `version` is as it told, or as the user said; `number` is what it is taken for.

    `note` is a sentence for the user where the two differ, else None.
    """

    version: str
    number: Number
    note: str | None = None

    def has(self, feature: Feature) -> bool:
        """Whether the server understands it."""
        return self.number >= feature.since

    def lack(self, feature: Feature) -> str | None:
        """Why the server cannot have it, to be put behind what was asked for; None where it can."""
        if self.has(feature):
            return None
        return f"needs Kubeflow Pipelines {_text(feature.since)}, and the server is {self.version or 'of no version'}"


def of(version: str | None, said_by: str = "Kubeflow Pipelines") -> Capabilities:
    """What the server of this version understands. `said_by` names who told the version, for the messages.

    A server that tells no version is taken for the oldest, a newer one for the newest known; both are noted. Refused
    for a version that is too old, of another major number, or no version at all.
    """
    told = (version or "").strip()
    if told.lower() in UNTOLD:
        note = (
            f"{said_by}: tells no version, so only what {_text(OLDEST)} understands is used. "
            f"Say the version with {OPTION} or {SETTING}."
        )
        return Capabilities(told or "unknown", OLDEST, note)
    match = re.match(r"v?(\d+)\.(\d+)(?!\d)", told)
    if match is None:
        raise Refused(f"{said_by}: {told!r} is no version. Say one such as {USUAL}: {OPTION} or {SETTING}.")
    number = (int(match[1]), int(match[2]))
    if number < OLDEST:
        raise Refused(
            f"{said_by}: version {told} is too old. "
            f"Update Kubeflow Pipelines to {_text(OLDEST)} or newer; {USUAL} is the one that is tested."
        )
    if number[0] != NEWEST[0]:
        raise Refused(
            f"{said_by}: version {told} is not known, {_text(NEWEST)} is the newest that is. "
            f"Update this extension, or try it as {_text(NEWEST)}: {OPTION} {_text(NEWEST)}."
        )
    if number > NEWEST:
        note = (
            f"{said_by}: version {told} is newer than {_text(NEWEST)}, the newest that is known, and is taken for it."
        )
        return Capabilities(told, NEWEST, note)
    return Capabilities(told, number)


def _text(number: Number) -> str:
    return f"{number[0]}.{number[1]}"


EVERYTHING = Capabilities(_text(NEWEST), NEWEST)
"""What the newest version understands: for checks that are made before a server is asked."""
