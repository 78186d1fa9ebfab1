"""Opening and closing ports of a Job, so that what runs in it can be reached."""

from __future__ import annotations

from smoltui.core.runs.acts import EXPOSE
from smoltui.core.runs.cost import usd
from smoltui.core.runs.ports import USD_PER_HOUR, Ports, in_text, open_ports, ports_in
from smoltui.core.runs.run import Run
from smoltui.safe_text import redact, safe_line
from smoltui.screens.runs.acting import Acting


class OpeningPorts(Acting):
    """Asks which ports of a Job are open, and says how to reach them."""

    def action_ports(self) -> None:
        runs = [run for run in self.chosen() if not run.is_final]
        if len(runs) != 1:
            self.say("Open the ports of one run at a time", severity="warning")
            return
        run = runs[0]
        self.ask(
            "open ports:",
            "8000 public:7860; empty closes all",
            lambda text: self._open(run, text),
            in_text(open_ports(run.raw)),
        )

    def _open(self, run: Run, text: str) -> None:
        try:
            ports = ports_in(text)
        except ValueError as error:
            self.say(f"Nothing was changed: {error}", severity="warning")
            return
        if ports == open_ports(run.raw):
            return
        question, consequence, yes = _asked(safe_line(run.name, 30), ports)
        self._confirmed(question, consequence, yes, "cancel", lambda: self._set_ports(run, ports))

    def _set_ports(self, run: Run, ports: Ports) -> None:
        engine = self.engine_of(run)
        self.workspace.acts.begin(
            EXPOSE, [run], lambda one: engine.expose(one.id, ports.ports, ports.public), shows=self._say_access
        )

    def _say_access(self, run: Run) -> None:
        ways = self.engine_of(run).access(run.raw)
        if ways:
            self.say(f"Reach it at {', '.join(safe_line(redact(way), 200) for way in ways)} (also in the details: V i)")


def _asked(name: str, ports: Ports) -> tuple[str, str, str]:
    """What is asked before, what it means, and the answer that does it."""
    if not ports.ports:
        return f"Close all ports of {name}?", "Their addresses stop working at once.", "close"
    who = "They can be reached with a token that may see the Job."
    if ports.public:
        who = f"Anyone with the address can reach {', '.join(map(str, ports.public))}."
    costs = f"Open ports add {usd(USD_PER_HOUR)} per hour."
    return f"Open {in_text(ports)} of {name}, and no other ports?", f"{who} {costs}", "open"
