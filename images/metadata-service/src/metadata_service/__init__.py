"""The metadata service: what Metaflow's client records about runs, over HTTP, kept in a database.

The HTTP API and the PostgreSQL schema are those of Netflix/metaflow-service, so that today's client works unchanged and
either image can be started on the other's database.
"""

API_VERSION = "2.6.1"
"""The release of Netflix/metaflow-service whose API is spoken. Clients open features by it."""
