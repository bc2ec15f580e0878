"""Make a data set of simulated lamella maps or grids, with labels.

python -m training.make_data --what lamellae --n 300 --seed-start 0 --out DATA
python -m training.make_data --what grids --n 120 --seed-start 20000 --out DATA

Seeds below 100 000 are for training, below 900 000 for validation, from there on for tests; the
label files of each lie apart. A data set that was broken off is gone on with: what is there stays.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from space.files import write_text_atomic

from . import formats
from .grid_maps import grid_crops
from .lamella_maps import MODEL_PIXEL_NM, lamella_map


def make_lamella(out: Path, seed: int, pixel_nm: float) -> str:
    """Write one lamella map if it is not there."""
    if not formats.case_paths(out, seed)[1].exists():
        formats.write_case(out, seed, *lamella_map(seed, pixel_nm))
    return formats.case_name(seed)


def make_grid(out: Path, seed: int) -> str:
    """Write the crops of one grid if they are not all there."""
    done = Path(out) / "done" / f"grid_{seed:06d}"
    if not done.exists():
        n = 0
        for n, (picture, boxes) in enumerate(grid_crops(seed), 1):  # noqa: B007
            formats.write_crop(out, seed, n, picture, boxes)
        done.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(done, f"{n}\n")
    return done.name


def make(what: str, out: Path, seeds: range, processes: int, pixel_nm: float) -> None:
    """Make the data of a range of seeds, in parallel where `processes` > 1."""
    out = Path(out)
    if what == "lamellae":
        known_nm = formats.known_pixel_nm(out)
        if known_nm not in (None, pixel_nm):
            raise ValueError(f"maps of {known_nm:g} nm/px are there; {pixel_nm:g} does not fit")
        formats.write_dataset_json(out, pixel_nm)  # for a training that begins before the end
    one = make_lamella if what == "lamellae" else make_grid
    rest = (pixel_nm,) if what == "lamellae" else ()
    if processes == 1:
        for seed in seeds:
            print(one(out, seed, *rest), flush=True)
    else:
        with ProcessPoolExecutor(processes) as pool:
            for job in as_completed([pool.submit(one, out, seed, *rest) for seed in seeds]):
                print(job.result(), flush=True)
    if what == "lamellae":
        formats.write_dataset_json(out, pixel_nm)
    else:
        formats.write_yolo_description(out)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", choices=("lamellae", "grids"), required=True)
    parser.add_argument("--n", type=int, required=True, help="how many maps or grids")
    parser.add_argument("--seed-start", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--pixel-nm", type=float, default=MODEL_PIXEL_NM, help="of lamella maps")
    args = parser.parse_args()
    if args.n < 1 or args.seed_start < 0 or args.processes < 1 or not 1 <= args.pixel_nm <= 100:
        parser.error("--n and --processes start at 1, --seed-start at 0; --pixel-nm is 1 to 100")
    seeds = range(args.seed_start, args.seed_start + args.n)
    try:
        make(args.what, args.out, seeds, args.processes, args.pixel_nm)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
