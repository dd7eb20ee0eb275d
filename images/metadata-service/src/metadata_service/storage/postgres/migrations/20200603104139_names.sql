-- Names that a client gives to runs and tasks, and heartbeats.
-- transaction: yes

-- Children before their parents, as an INSERT locks them: its own table, then the one of its foreign key. The other way
-- round, a service that writes beside the migration could wait for it while it waits for the service.
ALTER TABLE artifact_v3
    ADD COLUMN IF NOT EXISTS run_id VARCHAR(255),
    ADD COLUMN IF NOT EXISTS task_name VARCHAR(255);

ALTER TABLE metadata_v3
    ADD COLUMN IF NOT EXISTS run_id VARCHAR(255),
    ADD COLUMN IF NOT EXISTS task_name VARCHAR(255);

ALTER TABLE tasks_v3
    ADD COLUMN IF NOT EXISTS run_id VARCHAR(255),
    ADD COLUMN IF NOT EXISTS task_name VARCHAR(255),
    ADD COLUMN IF NOT EXISTS last_heartbeat_ts BIGINT;

ALTER TABLE steps_v3 ADD COLUMN IF NOT EXISTS run_id VARCHAR(255);

ALTER TABLE runs_v3
    ADD COLUMN IF NOT EXISTS run_id VARCHAR(255),
    ADD COLUMN IF NOT EXISTS last_heartbeat_ts BIGINT;

ALTER TABLE runs_v3 DROP CONSTRAINT IF EXISTS runs_v3_flow_id_run_id_key;

ALTER TABLE runs_v3 ADD CONSTRAINT runs_v3_flow_id_run_id_key UNIQUE (flow_id, run_id);

ALTER TABLE steps_v3 DROP CONSTRAINT IF EXISTS steps_v3_flow_id_run_id_step_name_key;

ALTER TABLE steps_v3 ADD CONSTRAINT steps_v3_flow_id_run_id_step_name_key UNIQUE (flow_id, run_id, step_name);

ALTER TABLE tasks_v3 DROP CONSTRAINT IF EXISTS tasks_v3_flow_id_run_number_step_name_task_name_key;

ALTER TABLE tasks_v3
    ADD CONSTRAINT tasks_v3_flow_id_run_number_step_name_task_name_key
    UNIQUE (flow_id, run_number, step_name, task_name);
