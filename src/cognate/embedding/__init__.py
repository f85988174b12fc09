"""The queue's consumer: it makes the stored and the indexed vectors agree with the records.

A job does not say "store this vector". It says "look at this record again". So a job may run twice,
late, or out of order, and the result is the same.

`batch` runs the jobs of one batch of messages. Each step takes the values that the one before it
returned: `load` starts jobs and reads their records, `decide` says what a record needs, `embed`
gets its vectors, `index` writes them to the index, and `keep` stores them in D1. An error is part
of the value: later steps pass it on.
"""
