"""PURE: what is run on a slave, as ShellCommand values and scripts, and how answers are read. Nothing runs here."""
