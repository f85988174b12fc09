"""Workers AI on this machine: models that turn sentences into vectors."""
