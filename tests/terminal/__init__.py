"""The menu in a real terminal."""
