"""Events as readable text, shared by the log view and the command line."""

from __future__ import annotations

from smoltui.core.runs import events
from smoltui.core.runs.metrics import as_word
from smoltui.core.runs.pace import as_time

PHASES = {
    "load_pairs": "loading the pairs",
    "load_model": "loading the model",
    "tokenize": "tokenizing",
    "train": "training",
    "evaluate": "evaluating on held-out pairs",
    "save": "saving the model",
    "push": "pushing to the Hub",
    "score": "scoring the pairs",
    "generate": "generating answers",
}
"""Names of the phases of a script on screen; an unknown phase is shown as it is."""

_SHOWN = (
    ("loss", "loss"),
    ("rewards/margins", "margin"),
    ("rewards/accuracies", "accuracy"),
    ("eval_loss", "held-out loss"),
    ("eval_rewards/margins", "held-out margin"),
    ("eval_rewards/accuracies", "held-out accuracy"),
)


def in_words(event: events.Event, max_steps: int | None = None) -> str | None:
    """One or two lines for an event worth showing in a log; None for the others. Not sanitized yet."""
    match event:
        case events.LogLine(text=text):
            return text
        case events.PhaseChanged(phase=phase, message=message):
            return f"── {PHASES.get(phase, phase)}{f': {message}' if message else ''}"
        case events.Planned(train_pairs=pairs, held_out_pairs=held_out, parameters=parameters, device=device):
            left_out = sum(event.left_out.values())
            parts = [
                f"{event.max_steps} steps",
                f"{event.epochs:.3g} epoch{'' if event.epochs == 1 else 's'}",
                f"{pairs} pairs",
            ]
            if held_out is not None:
                parts.append(f"{held_out} held out")
            if left_out:
                reasons = ", ".join(f"{count} {reason}" for reason, count in event.left_out.items())
                parts.append(f"{left_out} skipped ({reasons})")
            parts.append(f"training {event.trainable:,} of {parameters:,} weights in {event.dtype} on {device}")
            return "plan: " + " · ".join(parts)
        case events.Metrics(step=step, values=values):
            numbers = "  ".join(f"{word} {as_word(values[key])}" for key, word in _SHOWN if key in values)
            of = f"/{max_steps}" if max_steps else ""
            return f"step {step}{of}  {numbers}" if numbers else None
        case events.CheckpointSaved(step=step, path=path):
            return f"checkpoint saved at step {step}: {path}"
        case events.ModelSaved(path=path):
            return f"model saved: {path}"
        case events.ModelPushed(repo=repo, url=url):
            return f"model pushed: {url or repo}"
        case events.WeightsMoved(share=share):
            return f"{share:.1%} of the weights moved"
        case events.Failed(cause=cause, hint=hint):
            return f"failed: {cause}\n{hint}".rstrip()
        case events.Finished(step=step, max_steps=planned, seconds=seconds):
            return f"finished: step {step} of {planned} after {as_time(seconds)} of training"
        case events.StageChanged(stage=stage, message=message):
            return f"[{stage}]{f' {message}' if message else ''}"
    return None
