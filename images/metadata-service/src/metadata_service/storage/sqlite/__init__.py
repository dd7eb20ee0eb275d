"""The store in one file, by SQLite: for a laptop."""
