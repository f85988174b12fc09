"""HTTP, version 1, over plain values: no JavaScript, no framework.

`application` handles a request; `routes` lists what there is; `problems` is the one table from
errors to responses.
"""
