"""Tests: unit, contract, integration, lab, browser, terminal, security, faults."""
