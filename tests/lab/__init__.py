"""Real Debian hosts on one machine, for tests and for people: see docs/lab.md."""
