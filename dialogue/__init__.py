"""What to say next: one tree, every channel."""
