"""What each option does, once for the menu and the command line: frozen results, nothing is printed or asked here."""
