"""The store on PostgreSQL, with the schema of Netflix/metaflow-service."""
