"""The process behind the Worker's AI and Vectorize bindings, and what tests ask of it."""
