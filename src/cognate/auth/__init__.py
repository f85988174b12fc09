"""Who asks: from a request's headers to a `Principal`, the only place that makes one.

`credentials` reads the headers, `signature` verifies what Better Auth signed, `sessions` reads its
tables, `tables` finds out why they cannot be read, and `authenticate` decides. Another kind of
credential (a JWT, an API key) becomes another class in `credentials` and another branch in
`authenticate`.
"""
