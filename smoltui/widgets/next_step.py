"""The line that says what is next after something has ended, with the keys that do it where one is looking."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from smoltui.core.guide.ends import End, Offer, after, next_words


def offers_here(screen: Screen[Any], end: End) -> list[Offer]:
    """What can be done next with a key of this screen, the likeliest first."""
    return [offer for offer in after(end) if _key(screen, offer) is not None]


def next_step(screen: Screen[Any], end: End) -> str:
    """ "Next: press a to …." for what has ended; empty if no key of this screen does any of it now."""
    return next_words(after(end), lambda offer: _key(screen, offer))


def _key(screen: Screen[Any], offer: Offer) -> str | None:
    """The key, as it is shown, that does this on the screen now; None without one."""
    for _, binding, enabled, _ in screen.active_bindings.values():
        if binding.action == offer.action and enabled:
            return screen.app.get_key_display(binding)
    return None
