"""Workers AI on this machine: models that embed sentences."""
