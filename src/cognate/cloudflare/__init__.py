"""The adapters over a Worker's bindings: with `entry.py` the only place that knows JavaScript.

The bindings are reached as the runtime has them, not through the SDK's wrapper: that one converts
every argument and result, and walks each number of a vector twice.
"""

from cognate.cloudflare.client import create_embeddings

__all__ = ["create_embeddings"]
