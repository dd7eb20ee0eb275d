"""How fast the UI is with many runs; not part of an image."""
