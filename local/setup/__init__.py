"""Set up a checkout: install the tools, build the Pyodide bundle, save the memory snapshot."""
