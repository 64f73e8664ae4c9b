"""What turns text into vectors or into text."""
