"""The HTTP API: routes are thin, and know the store only by its interface."""
