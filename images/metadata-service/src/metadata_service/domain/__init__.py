"""What the service speaks of: no HTTP, no SQL."""
