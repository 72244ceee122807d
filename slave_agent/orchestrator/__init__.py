"""Apps from registering to removal: what is recorded, what is done about it, what becomes of half-done work.

Asks systemd and the privilege; knows no HTTP.
"""
