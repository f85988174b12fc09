"""The HTTP API, version 1, over plain values: no JavaScript and no framework.

`application` handles a request, `routing` finds its route, `routes` has one file a resource, and
`problems` is the one table from errors to responses.
"""
