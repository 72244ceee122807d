"""What happens between `python3 start_d8.py` and the first command: .venv, .env. Standard library only."""
