"""The core's ports on this machine: SQLite, the local Workers AI and Vectorize, a queue, a clock.

Tests and tools use them where no Worker runs. Each adapter passes the contract suite of its port,
and maps foreign errors as the adapter over the real binding does.
"""
