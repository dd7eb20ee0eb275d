"""Carries what is recorded from one place to another: folders of local metadata, files of SQLite, PostgreSQL."""
