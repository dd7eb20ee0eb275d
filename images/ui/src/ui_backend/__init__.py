"""The backend of the UI: what Metaflow has recorded, read from the database and the datastore of its flows."""
