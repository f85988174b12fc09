"""The HTTP API, version 1, over plain values: no JavaScript and no framework.

`application` handles a request, `routing` finds its route, and `problems` maps errors to responses.
`routes` has one file for each resource.
"""
