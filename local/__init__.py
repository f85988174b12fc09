"""What a laptop needs and Cloudflare does not: set-up, local bindings, `make dev`, `make deploy`.

Never deployed. Python of any version must be able to import this module.
"""

PROJECT = "Cognate"
"""The name of the project, for sentences that a person reads."""
