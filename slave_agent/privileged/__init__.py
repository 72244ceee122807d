"""The root helper: fixed verbs for the unprivileged agent, one JSON line in and one out. Standard library, 3.9+."""
