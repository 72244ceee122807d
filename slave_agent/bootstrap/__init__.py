"""The bootstrap: what a bare machine runs until it has an agent, and the job engine that both share.

Standard library only, Python 3.9 and later, and nothing imported from outside this folder: the installer generator
joins these
modules to the one readable file `slave_server.py`.
"""
