"""What a run's status is, in the words of SQLite."""

from __future__ import annotations


def _end_mark(value: str, field: str, tail: str = "") -> str:
    """A value over the marks of one field that the tasks of the end step have."""
    return (
        f"(SELECT {value} FROM metadata_v3 AS m WHERE m.flow_id = r.flow_id AND m.run_number = r.run_number"
        f" AND m.step_name = 'end' AND m.field_name = '{field}'{tail})"
    )


# Marks of one millisecond are told apart by the order in which they were recorded.
_OK = _end_mark("""lower(trim(m.value, '" '))""", "attempt_ok", " ORDER BY m.ts_epoch DESC, m.id DESC LIMIT 1")
_OK_TS = _end_mark("max(m.ts_epoch)", "attempt_ok")
_ATTEMPT_TS = _end_mark("max(m.ts_epoch)", "attempt")

STATUS = f"""(CASE
    WHEN {_OK} = 'false' AND {_ATTEMPT_TS} > {_OK_TS} THEN 'running'
    WHEN {_OK} = 'true' THEN 'completed'
    WHEN {_OK} = 'false' THEN 'failed'
    WHEN abs(:now - r.last_heartbeat_ts) <= :cutoff THEN 'running'
    ELSE 'failed'
END)"""
"""Of a run (r), the same as upstream derives. Its parameters are `now` and `cutoff`, in seconds."""
