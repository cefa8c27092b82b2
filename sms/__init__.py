"""SMS: a message in, one message back, and nothing lost between."""
