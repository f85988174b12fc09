"""Backfills walk over the records of a table and embed those that need it.

`backfills` starts, reads and cancels them. `walk` takes one step, which reads up to a hundred
records and is one message of the embeddings queue. `needs` decides whether a record is embedded.
`coverage` counts the records of a table that are embedded, and those that are not.
"""
