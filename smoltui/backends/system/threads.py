"""Blocking work in a thread that the program does not wait for when it ends.

asyncio's own threads (`asyncio.to_thread`) are joined when the loop closes, so one that is blocked in a socket read
keeps the program from ending (facts of huggingface_hub 2.4: its calls are synchronous, and hf_xet retries for minutes).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, abandon: Callable[[], object] | None = None) -> T:
    """The result of `work`, or its exception, from a separate daemon thread.

    If the awaiting task is cancelled, the thread continues, but its result is dropped, and `abandon` is called
    immediately (on the event loop, so it must be quick) to tell it to stop.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where work itself gave None

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except StopIteration as stop:  # a future does not accept this one
            error = RuntimeError("StopIteration left the work of a thread")
            error.__cause__ = stop
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell, result, error)

    # In the context of the caller, as `asyncio.to_thread` does: a widget that was removed finds its app there.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="smoltui-work", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        if abandon is not None and future.cancelled():
            abandon()
        raise
