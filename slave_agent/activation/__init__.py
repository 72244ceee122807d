"""Turns a release folder into the running agent on the slave's port, and gives the port back when that fails.

Standard library only, Python 3.9+: it runs before anything is installed. It knows nothing of HTTP routes or jobs.
"""
