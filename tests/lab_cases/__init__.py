"""Tests on the booted hosts of the lab: real systemd, real sockets, real processes."""
