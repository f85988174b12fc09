"""Two organizations that are signed in, with claims to search and commands to paste."""
