"""The command line. Only this package parses, prints and exits."""
