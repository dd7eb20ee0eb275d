-- A task may record a field of metadata again: the id becomes part of the key.
-- transaction: yes

ALTER TABLE metadata_v3 DROP CONSTRAINT IF EXISTS metadata_v3_pkey;

ALTER TABLE metadata_v3 ADD CONSTRAINT metadata_v3_pkey
    PRIMARY KEY (id, flow_id, run_number, step_name, task_id, field_name);

CREATE INDEX IF NOT EXISTS metadata_v3_akey ON metadata_v3 (flow_id, run_number, step_name, task_id, field_name);
