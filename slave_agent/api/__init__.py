"""The agent's HTTP interface: one module a subject, DTOs and problems beside them. Who may call what is decided in
asgi.py.
"""
