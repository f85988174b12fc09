"""Backfills: a walk over the records of a table, to embed those that need it.

`rows` keeps them: started, read, cancelled. `step` does a hundred records at a time, each step one
message of the embeddings queue. `needs` decides about a record.
"""
