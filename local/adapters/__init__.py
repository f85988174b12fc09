"""The ports over this machine: SQLite, the local Workers AI and Vectorize, a queue and a clock.

They are for tests and for tools that run without a Worker. Each passes the contract suite that the
adapters over the real bindings pass, and maps every foreign error as those do.
"""

from local.adapters.platform import LocalPlatform, local_platform

__all__ = ["LocalPlatform", "local_platform"]
