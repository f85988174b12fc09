"""What the queue's consumer does: make the stored and indexed vectors follow the records.

A job never says "store this vector"; it says "look at this record again". So a job may run twice,
late, or out of order, and the outcome is the same: the index agrees with D1. A batch goes through
`claim` (one D1 call), `embedding` (one AI call per hundred texts and model), `indexing` (one upsert
per index, one delete if anything goes) and `finish` (one D1 call); `batch` strings them together.
"""
