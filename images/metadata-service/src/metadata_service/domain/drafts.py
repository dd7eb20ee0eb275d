"""What a client asks to record: the bodies of POST and PATCH, checked as they are decoded.

Fields that are not named here are ignored: clients send the ids of the path again, and a time, which the service sets
itself. Lengths are those of the schema's columns; a longer value is refused with the name of its field.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from metadata_service.domain.keys import MAX_NAME

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
Tags: TypeAlias = tuple[str, ...] | None
Attempt: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**15 - 1)]

# Older clients leave some columns out that must not be null. A blank is what they have always got.
BLANK = " "


class NewFlow(msgspec.Struct, frozen=True):
    user_name: Text | None = None
    tags: Tags = None
    system_tags: Tags = None


class NewRun(msgspec.Struct, frozen=True):
    run_id: str | None = msgspec.field(default=None, name="run_number")
    user_name: Text | None = None
    tags: Tags = None
    system_tags: Tags = None


class NewStep(msgspec.Struct, frozen=True):
    user_name: Text | None = None
    tags: Tags = None
    system_tags: Tags = None


class NewTask(msgspec.Struct, frozen=True):
    task_name: str | None = msgspec.field(default=None, name="task_id")
    user_name: Text | None = None
    tags: Tags = None
    system_tags: Tags = None


class NewArtifact(msgspec.Struct, frozen=True):
    name: Text
    location: Text = BLANK
    ds_type: Text = BLANK
    sha: Text | None = BLANK
    type: Text | None = BLANK
    content_type: Text | None = BLANK
    user_name: Text | None = BLANK
    attempt_id: Attempt = 0
    tags: Tags = None
    system_tags: Tags = None


def _blank_value() -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(BLANK))


class NewMetadatum(msgspec.Struct, frozen=True):
    field_name: Text
    value: msgspec.Raw = msgspec.field(default_factory=_blank_value)
    type: Text = BLANK
    user_name: Text | None = None
    tags: Tags = None
    system_tags: Tags = None

    def __post_init__(self) -> None:
        # A value that cannot be read is refused while the body is decoded, with its place.
        self.text()

    def text(self) -> str:
        """The value as the column keeps it: a string as it is, anything else as its JSON.

        Clients convert values to strings. One that does not still finds its value, where refusing it would fail a task.
        """
        value = bytes(self.value)
        return msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()


class TagChange(msgspec.Struct, frozen=True):
    tags_to_add: tuple[str, ...] = ()
    tags_to_remove: tuple[str, ...] = ()
