"""Adapters over a Worker's bindings. With `entry.py` the only place that knows JavaScript.

The bindings are reached as the runtime has them, not through the SDK's wrapper. That one converts
every argument and result, and walks each number of a vector twice.
"""
