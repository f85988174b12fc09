"""Jobs. A row of `cognate_jobs` is one request to embed a record or a posted text."""
