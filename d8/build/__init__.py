"""Option 11: from a bootstrap that answers to a registered slave. Screens are drawn elsewhere, from the events."""
