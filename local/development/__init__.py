"""What `make dev` adds to a local Worker for Cognate: its schema, tables and lost messages."""
