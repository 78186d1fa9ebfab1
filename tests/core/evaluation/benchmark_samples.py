"""Results as LightEval 0.13.0 and lm_eval 0.4.13 write them, shortened to what is read."""

from __future__ import annotations

from typing import Any

LIGHTEVAL_NAME = "results_2026-11-29T09-19-24.123456.json"


def lighteval(
    model: str = "ada/aligned", *, acc: object = 0.6666666666666666, max_samples: object = None
) -> dict[str, Any]:
    """Two tasks; as in LightEval, each has the other's metrics as 0.0."""
    return {
        "config_general": {
            "lighteval_sha": "?",
            "max_samples": max_samples,
            "total_evaluation_time_secondes": "5.18",
            "model_config": {"model_name": model, "revision": "main", "system_prompt": "/no_think"},
            "model_name": model,
        },
        "results": {
            "truthfulqa:mc|0": {
                "truthfulqa_mc1": 0.3,
                "truthfulqa_mc1_stderr": 0.016,
                "truthfulqa_mc2": 0.48,
                "truthfulqa_mc2_stderr": 0.015,
                "acc": 0.0,
                "acc_stderr": 0.0,
            },
            "arc:challenge|0": {"acc": acc, "acc_stderr": 0.21, "truthfulqa_mc1": 0.0, "truthfulqa_mc2": 0.0},
            "all": {"acc": acc, "truthfulqa_mc1": 0.3},
        },
        "versions": {},
        "config_tasks": {
            "truthfulqa:mc|0": {
                "metrics": [
                    {
                        "metric_name": ["truthfulqa_mc1", "truthfulqa_mc2"],
                        "higher_is_better": {"truthfulqa_mc1": True, "truthfulqa_mc2": True},
                    }
                ],
                "effective_num_docs": -1,
            },
            "arc:challenge|0": {
                "metrics": [{"metric_name": "acc", "higher_is_better": True}],
                "effective_num_docs": 1172,
            },
        },
    }


def lm_eval(model: str = "/demo/aligned", *, adapter: str | None = None, limit: object = None) -> dict[str, Any]:
    """A task, and a group whose part is not listed."""
    return {
        "results": {
            "demo_mc": {
                "name": "demo_mc",
                "alias": "demo_mc",
                "sample_len": 6,
                "acc,none": 0.5,
                "acc_stderr,none": 0.2,
            },
            "mmlu": {"alias": "mmlu", "acc,none": 0.25, "acc_stderr,none": 0.01},
            "mmlu_anatomy": {"alias": " - anatomy", "acc,none": 0.2, "acc_stderr,none": 0.03},
            "gsm8k": {
                "exact_match,strict-match": 0.1,
                "exact_match_stderr,strict-match": "N/A",
                "exact_match,flexible-extract": 0.2,
                "exact_match_stderr,flexible-extract": 0.01,
            },
        },
        "group_subtasks": {"mmlu": ["mmlu_anatomy"], "demo_mc": []},
        "n-shot": {"demo_mc": 0, "gsm8k": 5},
        "n-samples": {"demo_mc": {"original": 6, "effective": 6}},
        "higher_is_better": {"demo_mc": {"acc": True}},
        "config": {
            "model": "hf",
            "model_args": {"pretrained": model, "enable_thinking": False, **({"peft": adapter} if adapter else {})},
            "model_sha": "",
            "limit": limit,
        },
        "date": 1795943958.66,
        "transformers_version": "5.23.0",
        "lm_eval_version": "0.4.13",
        "total_evaluation_time_seconds": "10.3",
    }
