"""Proofs that take minutes: `make torture`, `make long-backfill`."""
