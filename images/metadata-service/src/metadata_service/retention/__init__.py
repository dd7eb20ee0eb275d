"""Removing old runs by rules, and what they leave in the datastore."""
