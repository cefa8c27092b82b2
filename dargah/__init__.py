"""Builds everything: the reactor, settings to objects, the command line."""
