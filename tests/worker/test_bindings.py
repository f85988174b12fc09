"""Workers AI and Vectorize are bound by Cloudflare's own code, in the isolate of the Worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cognate.models import INDEX_BINDINGS

if TYPE_CHECKING:
    from tests.worker.instruments import Instruments


def test_bindings_are_those_of_the_runtime(instrumented: Instruments) -> None:
    """By their classes; what stands in for a service over RPC has another."""
    indexes = list(INDEX_BINDINGS.values())

    classes = instrumented.ask("classes", {"bindings": ["AI", *indexes, "EMBEDDINGS_QUEUE"]})

    assert classes.pop("AI") == "Ai"
    assert classes.pop("EMBEDDINGS_QUEUE") == "WorkerQueue"
    assert classes == dict.fromkeys(indexes, "VectorizeIndexImpl")
