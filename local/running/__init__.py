"""Run a Worker with its bindings and data on this machine, over `wrangler dev`."""
