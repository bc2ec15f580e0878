"""What runs on the oldest Python: `make test-oldest`, which is pytest with the option --oldest.

It holds that the SerialEM side runs on Python 3.9 with the lowest versions of its packages. Whether
it is right in all cases is held on the newer Python, where every test runs. So here

- a test that has several cases (instruments, values, files) runs with the first of them,
- property tests, models and long sessions do not run,
- files of tests that say nothing of SerialEM's Python are left out; they stand in LEFT_OUT.

What is new runs here unless it is entered below. The whole session that runs here is that of
`tests/session/test_faults.py`; `tests/test_imports.py` imports all modules of `space`.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import PurePath

MARKS = ("session", "models", "hypothesis")
# By the reason why the version of Python does not matter, or is another's. Files may begin alike.
LEFT_OUT = {
    "the repository, its documentation, its wheels": (
        "test_house*", "test_readme*", "test_realism*", "test_scores*", "test_wheel*",
        "test_simulator_wheel*", "simulator/test_docs*", "simulator/test_command_table*",
        "test_colours*", "test_settings_slips*", "test_foreign_files_fuzz*",
        "test_guide*", "test_project*", "test_notebook*",
    ),
    "training and benchmarks, which run where PyTorch does": (
        "test_training*", "test_gpu_training*", "test_inference_benchmark*",
        "test_detector_weights_made*", "lamellae/test_detector_weights*", "learning/*",
    ),
    "commands about models, and networks, which run where the models do": (
        "models/*", "test_models_command*", "test_convert_command*", "test_weights*",
        "test_pickles*", "test_onnx_session*", "lamellae/test_conversion*",
        "lamellae/test_network*", "lamellae/test_onnx*", "segmentation/test_onnx*",
    ),
    "tomograms and volumes, whose packages need another Python": (
        "volumes/*", "tomograms/*", "organelles/*", "picking/*", "surfaces/*", "watching/*",
        "test_processing*", "fluorescence/*",
    ),
    "monitors, clusters and many workers, which run on other machines": (
        "jobs/test_monitor*", "jobs/test_view*", "jobs/test_cluster*", "jobs/test_gpu*",
        "jobs/test_many_maps*", "jobs/test_queue_crashes*", "jobs/test_slots*",
        "jobs/test_status*", "jobs/test_trouble*", "jobs/test_wake*", "jobs/test_woken*",
        "jobs/test_real_worker*", "jobs/test_spread*",
    ),
    "long runs of what test_faults.py and single steps drive as well": (
        "session/test_[!f]*", "workflow/test_[!s]*", "workflow/test_se*",
        "simulator/third_party/*", "test_judge*", "test_simulate_command*",
        "simulator/test_pacetomo_sequence*", "simulator/test_geometry_agreement*",
    ),
    "the page in a browser, whose server needs another Python": ("browser/*",),
    "arithmetic of NumPy alone, in many rounds": (
        "simulator/test_aberrations*", "targeting/test_many_areas*",
        "targeting/test_small_problems*",
    ),
}  # fmt: skip


def matches(path: PurePath, pattern: str) -> bool:
    """Say whether a file, named from the folder of tests, is meant by a pattern."""
    return fnmatch(path.as_posix(), pattern)


def left_out(path: PurePath) -> str | None:
    """Return the reason why a file, named from the folder of tests, is left out; None if not."""
    for reason, patterns in LEFT_OUT.items():
        if any(matches(path, pattern) for pattern in patterns):
            return reason
    return None


def chosen(items: list) -> tuple[list, list]:
    """Divide collected tests into those that run on the oldest Python and the others."""
    run, others, seen = [], [], set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in seen or any(item.get_closest_marker(mark) for mark in MARKS):
            others.append(item)
        else:
            seen.add(name)
            run.append(item)
    return run, others
