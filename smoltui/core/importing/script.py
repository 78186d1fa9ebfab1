"""Reads a training script without running it: its `DPOConfig`, model, adapter and pairs as a recipe.

What it does differently today, or can't do any more, is noted with its line. The script is only parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smoltui.core.importing.constants import NotConstantError, constant
from smoltui.core.importing.header import read_header
from smoltui.core.importing.imported import Imported
from smoltui.errors import InputError

MOST_BYTES = 1 << 20
"""No training script is larger."""

LORA: Mapping[str, str] = {
    "r": "lora_r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "target_modules": "lora_target_modules",
    "target_parameters": "lora_target_parameters",
    "modules_to_save": "lora_modules_to_save",
    "task_type": "lora_task_type",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
}
"""Argument of PEFT's `LoraConfig` → key of TRL's ModelConfig."""
QUANTIZATION: Mapping[str, str] = {
    "load_in_4bit": "load_in_4bit",
    "load_in_8bit": "load_in_8bit",
    "bnb_4bit_quant_type": "bnb_4bit_quant_type",
    "bnb_4bit_use_double_quant": "use_bnb_nested_quant",
    "bnb_4bit_quant_storage": "bnb_4bit_quant_storage",
}
"""Argument of `BitsAndBytesConfig` → key of TRL's ModelConfig."""
MODEL: Mapping[str, str] = {
    "dtype": "dtype",
    "torch_dtype": "dtype",
    "attn_implementation": "attn_implementation",
    "revision": "model_revision",
}
"""Argument of `from_pretrained` → key of TRL's ModelConfig."""
TRAINER_SETTINGS = ("beta", "max_length", "max_prompt_length", "loss_type", "label_smoothing")
"""Settings that `DPOTrainer` itself took before TRL 0.9."""
PAIR_FUNCTIONS = ("map", "filter", "rename_column", "rename_columns", "remove_columns", "select_columns")
"""Methods of a data set that change its rows or columns."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Where a variable with pairs comes from."""

    path: str
    name: str | None = None
    split: str = "train"
    files: str | None = None


def read_script(text: str) -> Imported:
    """The recipe that a script amounts to.

    Raises:
        InputError: it is too large, not Python, or has no DPOConfig and no DPOTrainer.
    """
    if len(text) > MOST_BYTES:
        raise InputError("The script is larger than 1 MiB", "Import the part that trains.")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise InputError(f"This is not a Python script{where}", "Import a script that runs, or a command.") from error
    reader = _Reader(tree)
    if not reader.read():
        raise InputError(
            "This script has no DPOConfig and no DPOTrainer", "Import a script that trains with TRL's DPOTrainer."
        )
    read_header(text, reader.found)
    reader.found.finish()
    return reader.found


def _called(call: ast.Call) -> str:
    """Last part of the name of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _owner(call: ast.Call) -> str:
    """`AutoModelForCausalLM` of `AutoModelForCausalLM.from_pretrained`."""
    match call.func:
        case ast.Attribute(value=ast.Name(id=name)):
            return name
    return ""


class _Reader:
    """One walk over the tree, in the order of the source."""

    def __init__(self, tree: ast.Module) -> None:
        self.found = Imported()
        located = (node for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr))
        self._nodes = sorted(located, key=lambda node: (node.lineno, node.col_offset))
        self._names: dict[str, ast.expr] = {}
        for target, value in self._assigned():
            self._names[target] = value

    def _assigned(self) -> Iterator[tuple[str, ast.expr]]:
        for node in self._nodes:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    yield name, value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    yield name, value

    def _calls(self, *names: str) -> list[ast.Call]:
        return [node for node in self._nodes if isinstance(node, ast.Call) and _called(node) in names]

    def read(self) -> bool:
        """Whether it trains with DPO."""
        configs, trainers = self._calls("DPOConfig"), self._calls("DPOTrainer")
        if not configs and not trainers:
            return False
        for call in configs[-1:]:
            self._arguments(call)
        if len(configs) > 1:
            self.found.note(configs[0].lineno, "There are several DPOConfigs", "The last one was imported.")
        for call in trainers[-1:]:
            self._trainer(call)
        self._model(trainers)
        self._adapter()
        self._surroundings(trainers)
        return True

    def _known(self, value: ast.expr, key: str) -> Any:
        """The value of an argument; None, and a note, if only the running script knows it."""
        try:
            return constant(value, self._names)
        except NotConstantError:
            self.found.note(value.lineno, f"{key} is computed when the script runs", "Left out: write the value.")
            return None

    def _line(self, value: ast.expr) -> int:
        """The line where a value is written, also if a name stands for it."""
        match value:
            case ast.Name(id=name) if name in self._names:
                return self._names[name].lineno
        return value.lineno

    def _arguments(self, call: ast.Call) -> None:
        for keyword in call.keywords:
            if keyword.arg is None:
                self.found.note(call.lineno, "Some arguments are in a dictionary (**)", "Left out: write them.")
            elif keyword.arg == "model_init_kwargs" and isinstance(keyword.value, ast.Dict):
                self._model_arguments(keyword.value)
            elif (value := self._known(keyword.value, keyword.arg)) is not None:
                self.found.put(keyword.arg, value, self._line(keyword.value))

    def _model_arguments(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self._of_model(key.value, value)

    def _of_model(self, name: str, value: ast.expr) -> None:
        line, found = value.lineno, self.found
        if name in MODEL:
            if name == "torch_dtype":
                found.note(line, "torch_dtype is now called dtype", "Written as dtype.")
            if (known := self._known(value, name)) is not None:
                found.put(MODEL[name], known, line)
        elif name == "device_map":
            found.note(line, "device_map: the trainer places the model itself", "Left out.")
        elif name == "trust_remote_code":
            found.note(line, "trust_remote_code runs code from the model's repository", "Left out.")
        elif name not in ("quantization_config", "token", "use_cache", "cache_dir"):
            found.note(line, f"{name} of the model has no key of its own", "Left out: see model_init_kwargs.")

    def _trainer(self, call: ast.Call) -> None:
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        for name, value in zip(("model", "ref_model", "args"), call.args, strict=False):
            given.setdefault(name, value)
        for name in TRAINER_SETTINGS:
            if name in given and (value := self._known(given[name], name)) is not None:
                self.found.note(given[name].lineno, f"{name} is now an argument of DPOConfig", "Written as a key.")
                self.found.put(name, value, given[name].lineno)
        if "tokenizer" in given:
            self.found.note(given["tokenizer"].lineno, "tokenizer is now called processing_class", "Not needed here.")
        reference = given.get("ref_model")
        if reference is not None and not (isinstance(reference, ast.Constant) and reference.value is None):
            self.found.note(
                reference.lineno, "ref_model: the trainer makes the reference from the model itself", "Left out."
            )
        if "train_dataset" in given:
            self._pairs(given["train_dataset"], given.get("eval_dataset"))
        if (model := given.get("model")) is not None and isinstance(model, ast.Constant):
            self.found.put("model_name_or_path", model.value, model.lineno)

    def _pairs(self, train: ast.expr, test: ast.expr | None) -> None:
        if (pairs := self._source(train)) is None:
            self.found.note(train.lineno, "The pairs are made when the script runs", "Left out: name them as datasets.")
            return
        source: dict[str, Any] = {"path": pairs.files or pairs.path, "split": pairs.split}
        if pairs.name:
            source["name"] = pairs.name
        if "[" in pairs.split or pairs.name:
            self.found.put("datasets", [source], train.lineno)
        else:
            self.found.put("dataset_name", pairs.files or pairs.path, train.lineno)
            if pairs.split != "train":
                self.found.put("dataset_train_split", pairs.split, train.lineno)
        if test is not None and (held := self._source(test)) is not None and held.path == pairs.path:
            self.found.put("dataset_test_split", held.split.partition("[")[0], test.lineno)

    def _source(self, node: ast.expr, depth: int = 0) -> Pairs | None:
        """Where pairs come from: `load_dataset`, and what selects or changes rows after it."""
        if depth > 20:
            return None
        match node:
            case ast.Name(id=name) if name in self._names:
                return self._source(self._names[name], depth + 1)
            case ast.Subscript(value=inner, slice=ast.Constant(value=str() as split)):
                found = self._source(inner, depth + 1)
                return None if found is None else Pairs(found.path, found.name, split, found.files)
            case ast.Call(func=ast.Attribute(value=inner, attr=method)) if method != "load_dataset":
                return self._changed(node, method, self._source(inner, depth + 1))
            case ast.Call() if _called(node) == "load_dataset" and node.args:
                return self._loaded(node)
        return None

    def _loaded(self, call: ast.Call) -> Pairs | None:
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        try:
            path = str(constant(call.args[0], self._names))
            named = call.args[1] if len(call.args) > 1 else given.get("name")
            name = None if named is None else str(constant(named, self._names))
            split = str(constant(given["split"], self._names)) if "split" in given else "train"
            files = constant(given["data_files"], self._names) if "data_files" in given else None
        except NotConstantError:
            return None
        return Pairs(path, name, split, files if isinstance(files, str) else None)

    def _changed(self, call: ast.Call, method: str, before: Pairs | None) -> Pairs | None:
        """Pairs after a method of theirs."""
        if before is None:
            return None
        if method == "select" and call.args and (rows := self._rows(call.args[0])) is not None:
            return Pairs(before.path, before.name, f"{before.split}[{rows}]", before.files)
        if method == "shuffle":
            self.found.note(call.lineno, "The pairs are shuffled by the script", "Left out: TRL shuffles them by seed.")
        elif method == "train_test_split":
            self.found.note(call.lineno, "The script splits off pairs for testing", "Left out: press H in Pairs.")
        elif method in PAIR_FUNCTIONS:
            self.found.note(
                call.lineno,
                f"The script changes the pairs ({method})",
                "Left out: smoltui finds prompt, chosen and rejected itself; look at them with smoltui pairs.",
            )
        return before

    def _rows(self, node: ast.expr) -> str | None:
        """`range(10, 20)` as `10:20`."""
        match node:
            case ast.Call(func=ast.Name(id="range"), args=[last]):
                first: ast.expr | None = None
            case ast.Call(func=ast.Name(id="range"), args=[ast.expr() as first, last]):
                pass
            case _:
                return None
        try:
            start = "" if first is None else str(constant(first, self._names))
            return f"{start}:{constant(last, self._names)}"
        except NotConstantError:
            return None

    def _model(self, trainers: list[ast.Call]) -> None:
        loads = [call for call in self._calls("from_pretrained") if "Model" in _owner(call)]
        if not loads or "model_name_or_path" in self.found.values:
            return
        call = loads[0]
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        name = call.args[0] if call.args else given.pop("pretrained_model_name_or_path", None)
        if name is not None and (known := self._known(name, "model_name_or_path")) is not None:
            self.found.put("model_name_or_path", known, self._line(name))
        for key, value in given.items():
            self._of_model(key, value)

    def _adapter(self) -> None:
        for call in self._calls("LoraConfig")[-1:]:
            self.found.put("use_peft", True, call.lineno)
            self._mapped(call, LORA, "LoraConfig")
        for call in self._calls("BitsAndBytesConfig")[-1:]:
            self._mapped(call, QUANTIZATION, "BitsAndBytesConfig")
        if "dtype" not in self.found.values:
            self._type_of_weights()

    def _mapped(self, call: ast.Call, keys: Mapping[str, str], what: str) -> None:
        for keyword in call.keywords:
            if keyword.arg is None:
                self.found.note(call.lineno, "Some arguments are in a dictionary (**)", "Left out: write them.")
            elif keyword.arg in keys:
                if (value := self._known(keyword.value, keyword.arg)) is not None:
                    self.found.put(keys[keyword.arg], value, keyword.value.lineno)
            elif keyword.arg not in ("bias", "bnb_4bit_compute_dtype"):
                self.found.note(keyword.value.lineno, f"{keyword.arg} of {what} has no key in a recipe", "Left out.")

    def _type_of_weights(self) -> None:
        loads = [call for call in self._calls("from_pretrained") if "Model" in _owner(call)]
        line = loads[0].lineno if loads else 0
        said = "Without dtype, transformers 5 loads the saved type, which is bfloat16 for SmolLM3"
        if self.found.values.get("use_peft"):
            self.found.note(line, said, "Written as dtype: auto, which is right for an adapter.")
            self.found.values["dtype"] = "auto"
        else:
            done = "Written as dtype: float32, because bfloat16 weights hardly move at a small learning rate."
            self.found.note(line, said, done)
            self.found.values["dtype"] = "float32"

    def _surroundings(self, trainers: list[ast.Call]) -> None:
        """What else the script does, or fails to do."""
        found = self.found
        for node in self._nodes:
            match node:
                case ast.Assign(targets=[ast.Attribute(attr="pad_token" | "pad_token_id")]):
                    found.note(node.lineno, "The script sets a padding token", "Left out: TRL has its own for DPO.")
        for call in self._calls("login"):
            found.note(call.lineno, "The script logs in", "Left out: log in once with hf auth login.")
        line = trainers[-1].lineno if trainers else 0
        if trainers and not self._calls("train"):
            found.note(line, "The script never calls train()", "smoltui train does.")
        pushes = bool(found.values.get("push_to_hub"))
        if pushes and not self._calls("push_to_hub"):
            done = "smoltui pushes the final model and waits for it."
            found.note(line, "The script never pushes the final model: the last save may be skipped", done)
        elif trainers and not pushes and not self._calls("save_model", "save_pretrained"):
            found.note(line, "The script doesn't save the model", "smoltui saves it in output_dir.")
