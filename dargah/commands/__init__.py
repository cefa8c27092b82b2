"""The commands: one file each, under the name that an operator types."""
