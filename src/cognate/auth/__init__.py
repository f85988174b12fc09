"""Authenticate the caller of a request. Only this room makes a `Principal`.

`sessions` reads the token of a request and finds its session and organization, `signature` verifies
what Better Auth signed, and `better_auth_tables` explains why its tables cannot be read. Another
kind of credential (a JWT, an API key) becomes another module beside `sessions`.
"""
