"""What is worth another try, and after how long. Pure."""

from __future__ import annotations

from connectors.base import TransientError

# A morning's run should end within the hour in which people read it.
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 120.0


def worth_retrying(error: BaseException) -> bool:
    """True for what may pass by itself within the time that we are ready to wait."""
    return (
        isinstance(error, TransientError)
        and (error.retry_after_seconds or 0.0) <= LONGEST_WAIT_SECONDS
    )


def wait_or_give_up(error: BaseException) -> bool | float:
    """For stamina: the vendor's own delay where it gave one, else its backoff; False to give up."""
    if not worth_retrying(error):
        return False
    told = error.retry_after_seconds if isinstance(error, TransientError) else None
    return True if told is None else told
