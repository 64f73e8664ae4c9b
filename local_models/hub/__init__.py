"""Models from the hub: planned, fetched, verified, repaired, listed, removed; the cache kept clean."""
