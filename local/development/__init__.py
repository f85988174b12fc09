"""Cognate's part of `make dev`: sign-in, schema, tables, lost messages."""
