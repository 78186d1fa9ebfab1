"""Downloads models and data sets of the Hub into its cache, for nodes of a cluster that have no internet.

    python fetch.py [--model OWNER/NAME]... [--dataset OWNER/NAME:CONFIG]...

A data set is prepared as well: without internet, `datasets` finds only what it has prepared before.
"""

from __future__ import annotations

import argparse
import sys

WEIGHTS = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py"]
"""What training loads of a model; other formats of the same weights are left on the Hub."""


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--dataset", action="append", default=[])
    asked = parser.parse_args()
    try:
        for name in asked.model:
            from huggingface_hub import snapshot_download

            snapshot_download(name, allow_patterns=WEIGHTS)
        for named in asked.dataset:
            from datasets import load_dataset

            name, _, config = named.partition(":")
            load_dataset(name, config or None)
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
