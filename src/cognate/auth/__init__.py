"""Authenticate the caller of a request. Only this room makes a `Principal`.

`credentials` reads the headers, `signature` verifies the values that Better Auth signed, `sessions`
finds the session and its organization, and `better_auth_tables` explains why its tables cannot be
read. Another kind of credential (a JWT, an API key) becomes another class in `credentials` and
another branch beside `sessions.authenticate`.
"""
