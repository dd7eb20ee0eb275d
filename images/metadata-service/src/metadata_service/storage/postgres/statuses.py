"""What a run's status is, in the words of PostgreSQL."""

from __future__ import annotations

# The same statuses as upstream derives. The newest of each mark of the end step is found by aggregates, not by ORDER BY
# and LIMIT: those make the planner walk all metadata of the run, backwards in time.
STATUS = """
CROSS JOIN LATERAL (
    SELECT
        (array_agg(lower(trim(both '" ' FROM m.value)) ORDER BY m.ts_epoch DESC, m.id DESC)
            FILTER (WHERE m.field_name = 'attempt_ok'))[1] AS ok,
        max(m.ts_epoch) FILTER (WHERE m.field_name = 'attempt_ok') AS ok_ts,
        max(m.ts_epoch) FILTER (WHERE m.field_name = 'attempt') AS attempt_ts
    FROM metadata_v3 AS m
    WHERE m.flow_id = r.flow_id AND m.run_number = r.run_number AND m.step_name = 'end'
        AND m.field_name IN ('attempt_ok', 'attempt')
) AS e
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN e.ok = 'false' AND e.attempt_ts > e.ok_ts THEN 'running'
        WHEN e.ok = 'true' THEN 'completed'
        WHEN e.ok = 'false' THEN 'failed'
        WHEN abs(extract(epoch FROM statement_timestamp()) - r.last_heartbeat_ts) <= %(cutoff)s THEN 'running'
        ELSE 'failed'
    END AS status
) AS s
"""
"""Joined to runs (r), gives s.status. Its parameter is `cutoff`: seconds after which a silent run counts as failed."""
