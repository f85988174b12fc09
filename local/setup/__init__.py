"""Set up a checkout: install the tools, build the Pyodide bundle, and save the memory snapshot."""
