"""Stopping politely: the first SIGINT or SIGTERM asks, the second one insists."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shared.study.errors import StudyError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(StudyError):
    """A job stopped at a signal, with everything saved; `exit_code` is 128 + the signal's number."""

    def __init__(self, sentence: str, signum: int):
        super().__init__(sentence)
        self.exit_code = 128 + signum


class StopRequest:
    """The number of the signal that asked to stop, 0 while none did."""

    signum = 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note SIGINT and SIGTERM instead of dying of them; a second signal acts as it would have."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may handle signals
        return
    previous = {signum: signal.getsignal(signum) for signum in SIGNALS}

    def note(signum: int, frame: FrameType | None) -> None:
        request.signum = signum
        for each, handler in previous.items():
            signal.signal(each, handler)

    for signum in SIGNALS:
        signal.signal(signum, note)
    try:
        yield request
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
