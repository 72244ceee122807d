"""Apps as systemd services: what may be asked, the unit's text, what systemd and its journal say.

Standard library, 3.9+. Shared by the agent and by root's helper, which runs a root-owned copy; so it imports neither.
"""
