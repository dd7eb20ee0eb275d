"""A private PostgreSQL server, a running service and its client, for tests and benchmarks. Not part of the image."""
