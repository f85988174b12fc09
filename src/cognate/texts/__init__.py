"""Texts that were posted by the API, with or without a table."""
