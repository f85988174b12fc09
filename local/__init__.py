"""The local platform: Workers AI and Vectorize for a laptop and for tests. Never deployed."""
