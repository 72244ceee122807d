"""What an operator carries to a bare machine: the install script, with the bootstrap server inside."""
