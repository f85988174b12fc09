"""The commands of `make` that know Cognate, one module each."""
