"""Vectorize on this machine: exact search, its limits, and its error messages."""
