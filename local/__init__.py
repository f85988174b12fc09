"""The tools of a laptop: set-up, local bindings, `make dev` and `make deploy`. Never deployed.

Python 3.7 and newer can import this module, because the set-up checks the version after it.
"""

PROJECT = "Cognate"
"""The name of the project, for sentences that a person reads."""
