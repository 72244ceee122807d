"""The table of attacks in README.md, as tests: here, or where README.md points."""
