"""Measurements of the Worker in its real runtime; numbers in the documents come from here."""
