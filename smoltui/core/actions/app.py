"""What works everywhere: rooms, training, help, the palette."""

from __future__ import annotations

from smoltui.core.actions.action import Action, Group, Place

APP = Place(
    "app",
    "Everywhere",
    (
        Action("home", "0", "room('home')", "Go to Home", Group.APP, means="room"),
        Action("device", "1", "room('device')", "Go to Device", Group.APP, means="room"),
        Action("pairs", "2", "room('pairs')", "Go to Pairs", Group.APP, means="room"),
        Action("recipe", "3", "room('recipe')", "Go to Recipe", Group.APP, means="room"),
        Action("runs", "4", "room('runs')", "Go to Runs", Group.APP, means="room"),
        Action("evaluate", "5", "room('evaluate')", "Go to Evaluate", Group.APP, means="room"),
        Action("submit", "6", "room('submit')", "Go to Submit", Group.APP, means="room"),
        Action("train", "t", "train", "Choose what to train and where, then start", Group.PROJECT, bar="Train"),
        Action("palette", "colon,ctrl+p", "command_palette", "Search all commands", Group.APP, priority=True),
        Action("help", "question_mark,f1", "help", "Show every key of this room", Group.APP, priority=True),
        Action("leave", "q", "leave", "Close the view; at the top, quit", Group.APP, bar="Quit"),
        Action("quit", "ctrl+q", "quit", "Quit; runs continue", Group.APP, priority=True),
        Action(
            "copy-selection",
            "ctrl+c",
            "copy_selection",
            "Copy the selected text; pressed twice without one, quit",
            Group.APP,
            priority=True,
        ),
        Action("docs", "", "docs", "Read the documentation", Group.APP),
        Action("mouse", "", "mouse", "Switch the mouse between the app and the terminal", Group.APP),
        Action("redraw", "ctrl+l", "redraw", "Redraw screen", Group.APP, priority=True),
        Action("suspend", "ctrl+z", "suspend_process", "Suspend (fg returns)", Group.APP, priority=True),
    ),
    inside="",
)
EXPLAINS = Place(
    "explain",
    "Screens with figures",
    (Action("explain", "K", "explain", "Explain the figures that are shown", Group.SEE),),
)
DEVICE = Place(
    "device",
    "Device",
    (
        Action("probe", "a", "probe", "Test PyTorch", Group.DO, bar="Test PyTorch", means="act"),
        Action("detail", "z", "unfold", "Show or hide the details", Group.SEE, bar="More"),
        Action("reload", "r", "refresh", "Refresh machine and account", Group.DO, bar="Refresh"),
        Action("explain-here", "enter", "explain", "Explain the figures", Group.SEE),
    ),
)
PAGE = Place(
    "page",
    "A page of text",
    (
        Action("down", "j", "scroll_down", "Down", Group.MOVE),
        Action("up", "k", "scroll_up", "Up", Group.MOVE),
        Action("page-down", "ctrl+d,space", "page_down", "Page down", Group.MOVE),
        Action("page-up", "ctrl+u", "page_up", "Page up", Group.MOVE),
        Action("top", "gg", "scroll_home", "Top", Group.MOVE),
        Action("end", "G", "scroll_end", "End", Group.MOVE),
    ),
)
