"""Adapters over a Worker's bindings. Only these modules and `entry.py` import JavaScript objects.

They use the bindings directly, not the wrappers of the Python SDK. A wrapper converts every
argument and result, and so visits each number of a vector twice.
"""
