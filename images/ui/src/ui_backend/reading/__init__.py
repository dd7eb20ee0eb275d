"""What the database tells: rows, and what is derived from them, by one query a question."""
