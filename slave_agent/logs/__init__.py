"""The logs of apps: the journal read once for all who watch, and their frames. Nothing here knows HTTP."""
