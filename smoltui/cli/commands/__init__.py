"""The commands: names, arguments and options. What they do is in `smoltui/cli`, imported when one runs."""
