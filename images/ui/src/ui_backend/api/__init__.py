"""The HTTP API, in the words of the UI backend of Netflix/metaflow-service."""
