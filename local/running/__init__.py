"""`make dev`: run the Worker, its bindings and its data on this machine."""
