"""What the service answers: one frozen struct for each kind of object, with the field names of the API.

Tags are carried as the JSON that the database holds. They are not looked into on the way out, and a list of thousands
of artifacts repeats the tags of one run.
"""

from __future__ import annotations

import msgspec

from metadata_service.domain.keys import Key


class Flow(msgspec.Struct, frozen=True):
    flow_id: str
    user_name: str | None
    ts_epoch: int
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None


class Run(msgspec.Struct, frozen=True):
    flow_id: str
    run_number: Key
    user_name: str | None
    ts_epoch: int
    last_heartbeat_ts: int | None
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None


class Step(msgspec.Struct, frozen=True):
    flow_id: str
    run_number: str
    step_name: str
    user_name: str | None
    ts_epoch: int
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None


class Task(msgspec.Struct, frozen=True):
    flow_id: str
    run_number: Key
    step_name: str
    task_id: Key
    user_name: str | None
    ts_epoch: int
    last_heartbeat_ts: int | None
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None


class Artifact(msgspec.Struct, frozen=True):
    flow_id: str
    run_number: Key
    step_name: str
    task_id: Key
    name: str
    location: str
    ds_type: str
    sha: str | None
    type: str | None
    content_type: str | None
    user_name: str | None
    attempt_id: int
    ts_epoch: int
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None


class Metadatum(msgspec.Struct, frozen=True):
    id: int
    flow_id: str
    run_number: Key
    step_name: str
    task_id: Key
    field_name: str
    value: str
    type: str
    user_name: str | None
    ts_epoch: int
    tags: msgspec.Raw | None
    system_tags: msgspec.Raw | None
