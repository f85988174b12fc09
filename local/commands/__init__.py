"""The commands of `make` that know this project: one module each."""
