"""Watches a microscope from a Python process of its own: connects, takes images, measures."""

import argparse
import json

import numpy as np
import serialem as sem


def parse(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=48888)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--out", default="watch.json")
    return parser.parse_args(arguments)


def watch(count):
    """Mean counts and sharpness of some View images around the present position."""
    x, y, _ = sem.ReportStageXYZ()
    rows = []
    for number in range(count):
        sem.MoveStageTo(x + 5.0 * number, y)
        sem.V()
        image = np.asarray(sem.bufferImage("A"))
        rows.append(
            {
                "x": sem.ReportStageXYZ()[0],
                "mean": float(image.mean()),
                "counts": sem.ReportMeanCounts("A"),
                "spread": float(np.abs(np.diff(image.astype(float), axis=1)).mean()),
            }
        )
    sem.MoveStageTo(x, y)
    return rows


def main(arguments=None):
    options = parse(arguments)
    sem.ConnectToSEM(options.port, options.host)
    if not sem.ReportLowDose()[0]:
        sem.SetLowDoseMode(1)
    try:
        rows = watch(options.count)
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(rows, file)
    finally:
        try:
            sem.Exit()
        except sem.SEMexited:
            pass
    return rows


if __name__ == "__main__":
    main()
