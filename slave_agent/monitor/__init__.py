"""What the agent observes of its machine. Only host_facts.py imports psutil; nothing here changes anything."""
