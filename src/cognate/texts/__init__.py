"""Texts that callers post to the API, or that other Workers send to the queue."""
