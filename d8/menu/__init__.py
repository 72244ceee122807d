"""The numbered menu: questions, tables, live progress. What an option does is in d8.actions."""
