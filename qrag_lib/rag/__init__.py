"""From documents to checked answers."""
