"""Where vectors are searched: derived from the catalogue, and never asked for the text."""
