"""The master: makes installers, builds slaves over HTTP, keeps the fleet. What runs on a slave is in slave_agent."""

__version__ = "0.1.0"
