"""The vendors' APIs on 127.0.0.1, served out of one seeded world (demo and tests only)."""
