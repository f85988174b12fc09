"""The process behind the AI and Vectorize bindings of a local Worker, with faults for tests."""
