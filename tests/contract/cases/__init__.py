"""One module per source; each has ``CASES`` (see ``tests/contract/case.py``)."""
