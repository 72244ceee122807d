"""What runs on a slave: the bootstrap, the activation, the agent. It never imports the master's package."""

__version__ = "0.1.0"
