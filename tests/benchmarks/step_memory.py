"""Peak memory of a DPO step, operation by operation, with fake tensors: nothing is computed, so any shape can be asked.

    python -m tests.benchmarks.step_memory            all shapes of the tests, as JSON lines; half an hour
    python -m tests.benchmarks.step_memory NAME …     these

`tests/core/machine/step_memory.jsonl` has the result, with which the estimate of `core/machine/step_memory.py` is
compared. Counted are the bytes of all storages that are alive, of two steps after the first, with the trainer's own
fused head.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.core.machine.step_shapes import PROBED, SHAPES, StepShape

os.environ.setdefault("OMP_NUM_THREADS", "1")


def _replace_parameters(self: Any, function: Any, recurse: bool = True) -> Any:
    """`Module._apply` swaps tensors, which fake tensors refuse; here the parameters are replaced."""
    import torch

    for module in self.modules():
        for name, value in list(module._parameters.items()):
            if value is not None:
                with torch.no_grad():
                    new = function(value)
                if new is not value:
                    module._parameters[name] = torch.nn.Parameter(new.detach(), requires_grad=value.requires_grad)
        for name, value in list(module._buffers.items()):
            if value is not None:
                module._buffers[name] = function(value)
    return self


@dataclass
class Counter:
    """Bytes that are alive, and the most of them in each phase."""

    now: int = 0
    phase: str = ""
    most: dict[str, int] = field(default_factory=dict)
    known: dict[int, Any] = field(default_factory=dict)

    def add(self, storage: Any) -> None:
        key = id(storage)
        if key in self.known and self.known[key]() is storage:
            return
        size = storage.nbytes()
        self.known[key] = weakref.ref(storage)
        weakref.finalize(storage, self.drop, key, size)
        self.now += size
        self.most[self.phase] = max(self.most.get(self.phase, 0), self.now)

    def drop(self, key: int, size: int) -> None:
        self.now -= size
        self.known.pop(key, None)


@contextlib.contextmanager
def counted() -> Iterator[Counter]:
    """Counts everything that is allocated inside."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    counter = Counter()

    class Live(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    counter.add(leaf.untyped_storage())
            return result

    with FakeTensorMode(allow_non_fake_inputs=True), Live():
        yield counter


def _model(shape: StepShape) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    config = AutoConfig.for_model(**shape.config)
    config.use_cache = False
    torch.set_default_dtype(getattr(torch, shape.dtype))
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, shape.dtype))
    torch.set_default_dtype(torch.float32)
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    return model


def simulate(shape: StepShape, steps: int = 2) -> dict[str, int]:
    """Phase → most bytes alive, of a step with batches of full length."""
    import torch
    import trl.trainer.utils

    trl.trainer.utils._CHUNKED_LOGPROB_CHUNK_SIZE = min(32768, shape.config["vocab_size"])  # what is touched
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch.__future__.set_swap_module_params_on_conversion(False)
    torch.nn.Module._apply = _replace_parameters  # type: ignore[method-assign]
    with counted() as live:
        model = _model(shape)
        reference = None
        if shape.reference and not shape.rank:
            reference = _model(shape).eval().requires_grad_(False)
        if shape.rank:
            from peft import LoraConfig, get_peft_model

            targets = shape.targets if isinstance(shape.targets, str) else list(shape.targets)
            lora = LoraConfig(
                r=shape.rank,
                target_modules=targets,
                modules_to_save=list(shape.saved_modules) or None,
                use_dora=shape.dora,
                task_type="CAUSAL_LM",
            )
            model = get_peft_model(model, lora, autocast_adapter_dtype=True)
        if shape.checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            if shape.rank:
                model.enable_input_require_grads()
        model.train()
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        kinds = {
            "adam": lambda: torch.optim.AdamW(trained, lr=1e-4, foreach=False),
            "sgd": lambda: torch.optim.SGD(trained, lr=1e-4, foreach=False),
            "rmsprop": lambda: torch.optim.RMSprop(trained, lr=1e-4, foreach=False),
        }
        optimizer = kinds[shape.optimizer]()
        live.most = {}
        for _ in range(steps):
            for _ in range(shape.accumulation):
                _step(shape, live, model, reference)
            live.phase = "optimizer"
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return dict(live.most)


def _step(shape: StepShape, live: Counter, model: Any, reference: Any) -> None:
    import torch

    ids = torch.ones(2 * shape.batch, shape.length, dtype=torch.long)
    labels, mask = ids.clone(), torch.ones_like(ids)
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels, "fused_lm_head": True}

    def mixed() -> Any:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=shape.autocast)

    live.phase = "forward"
    with mixed():
        ours = model(**inputs).log_probs.sum(-1)
    theirs = torch.zeros(2 * shape.batch)
    if shape.reference:
        live.phase = "reference"
        with torch.no_grad(), mixed():
            if reference is None:
                with model.disable_adapter():
                    theirs = model(**inputs).log_probs.sum(-1)
            else:
                theirs = reference(**inputs).log_probs.sum(-1)
    chosen, rejected = (ours - theirs).chunk(2)
    loss = -torch.nn.functional.logsigmoid(0.1 * (chosen - rejected)).mean()
    live.phase = "backward"
    loss.backward()


def main() -> None:
    wanted = set(sys.argv[1:])
    for shape in (*SHAPES, *PROBED):
        if wanted and shape.name not in wanted:
            continue
        if os.fork() == 0:  # what a step leaves behind does not count for the next
            phases = simulate(shape)
            print(json.dumps({"name": shape.name, "peak": max(phases.values()), "phases": phases}), flush=True)
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main()
