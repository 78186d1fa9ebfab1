"""What the app looks like: our themes, and how their colors reach terminals with fewer colors.

`smoltui.core.looks.palette` says which colors there are.
"""
