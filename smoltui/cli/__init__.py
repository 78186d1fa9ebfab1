"""The command line: opens the app, and does everything that the rooms do without it.

Exit codes: 0 done, 1 the run failed, 2 wrong usage or input, 3 refused by the service, 130 interrupted. With `--json`,
stdout holds JSON and nothing else, and an error is `{"error", "hint"}` on stderr.

`main.py` runs a command, `commands/` declares them, and the modules here do their work, one for each subject.
"""
