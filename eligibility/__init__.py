"""Is this person's treatment cover in force: cache, then registry."""
