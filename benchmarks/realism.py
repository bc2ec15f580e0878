"""How far simulated lamella maps are from pictures of real ones.

python -m benchmarks.realism --pictures FOLDER --out FOLDER --json NUMBERS.json

Pictures and simulated maps of the same pixel size are measured alike: grey levels by region,
spectra, gradients, curtaining, the edge to vacuum, dark blobs. Then a classifier is asked to tell
real crops from simulated ones. It is trained without the picture that it is asked about; half of
its answers are right (0.5) where nothing tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, optimize

from space.simulator.specimen import LABEL
from training.lamella_maps import lamella_map

from .common import parser, report
from .real_picture import COLOURED

CROP_UM = 3.0
LOOKS = ("plain", "real")
MARGIN_PX = 3
"""Pixels around a drawn line that its smoothing reached."""
OFF = [LABEL[name] for name in ("background", "white", "black")]
CLASSES = {"vacuum": "white", "bulk": "black", "medium": "lamella", "cell": "cell"}
Polygon = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Outlined:
    """A picture that somebody looked at: (x, y) in its pixels.

    Attributes
    ----------
    pixel_nm : float
    regions : dict of str to polygon
        A part of each kind that shows nothing else.
    drawn : tuple of polygons
        What was drawn in grey: windows and frames.
    """

    pixel_nm: float
    regions: dict[str, Polygon]
    drawn: tuple[Polygon, ...] = ()


def _box(x0: int, y0: int, x1: int, y1: int) -> Polygon:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


OUTLINED = {
    "Yeast8_L01_crop.png": Outlined(
        20.0,
        {
            "vacuum": ((13, 1060), (130, 1070), (180, 1200), (20, 1240)),
            "bulk": _box(330, 160, 730, 240),
            "medium": _box(630, 407, 735, 470),
            "cell": ((525, 550), (650, 540), (680, 630), (550, 680)),
        },
        (
            _box(0, 0, 285, 150),
            _box(940, 670, 1290, 1025),
            ((880, 20), (900, 20), (722, 1350), (700, 1350)),
        ),
    ),
    "lamella_targets_crop.png": Outlined(
        39.0,
        {
            "vacuum": _box(20, 150, 110, 350),
            "bulk": _box(330, 10, 700, 90),
            "medium": ((585, 228), (640, 224), (600, 268), (576, 268)),
            "cell": ((400, 280), (500, 300), (480, 350), (400, 340)),
        },
        (((290, 0), (304, 0), (192, 632), (178, 632)),),
    ),
    "lamellae1_2x3_montage_crop.png": Outlined(
        36.0,
        {
            "vacuum": _box(350, 60, 575, 160),
            "bulk": _box(20, 60, 140, 400),
            "medium": _box(350, 610, 570, 715),
        },
        (
            _box(0, 430, 620, 446),
            _box(0, 430, 6, 880),
            _box(604, 430, 622, 880),
            _box(0, 862, 620, 880),
        ),
    ),
}


@dataclass(frozen=True)
class Seen:
    """A picture, real or simulated, with what is known of it.

    Attributes
    ----------
    grey : (rows, columns) uint8 array
    pixel_nm : float
    hidden : mask of what was drawn on it
    on_lamella : mask of what is neither vacuum nor bulk
    vacuum : mask
    regions : dict of str to mask
    """

    grey: np.ndarray
    pixel_nm: float
    hidden: np.ndarray
    on_lamella: np.ndarray
    vacuum: np.ndarray
    regions: dict[str, np.ndarray]


def real(path: Path, outlined: Outlined) -> Seen:
    """Read a picture; vacuum and bulk are told by grey, halfway to the lamella."""
    with Image.open(path) as stored:
        colours = np.asarray(stored.convert("RGB"))
        grey = np.asarray(stored.convert("L"))
    spread = colours.max(axis=2).astype(int) - colours.min(axis=2)
    hidden = ndimage.binary_dilation(spread > COLOURED, iterations=MARGIN_PX)
    for polygon in outlined.drawn:
        hidden |= _filled(polygon, grey.shape)
    regions = {k: _filled(v, grey.shape) & ~hidden for k, v in outlined.regions.items()}
    level = {name: float(grey[mask].mean()) for name, mask in regions.items()}
    smooth = ndimage.gaussian_filter(grey.astype(np.float32), 100 / outlined.pixel_nm)
    vacuum = smooth > (level["medium"] + level["vacuum"]) / 2
    bulk = smooth < level["bulk"] + 0.35 * (level["medium"] - level["bulk"])
    side = round(2000 / outlined.pixel_nm)  # ice is smaller
    bulk = ndimage.maximum_filter(ndimage.minimum_filter(bulk, side), side)
    return Seen(grey, outlined.pixel_nm, hidden, ~vacuum & ~bulk, vacuum, regions)


def simulated(seed: int, pixel_nm: float, look: str) -> Seen:
    """A simulated map of a lamella."""
    grey, labels = lamella_map(seed, pixel_nm, look=look)
    regions = {k: labels == LABEL[name] for k, name in CLASSES.items()}
    on_lamella = ~np.isin(labels, OFF)
    return Seen(grey, pixel_nm, labels == 0, on_lamella, regions["vacuum"], regions)


def _filled(polygon: Polygon, shape: tuple[int, ...]) -> np.ndarray:
    mask = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(mask).polygon(list(polygon), fill=1)
    return np.array(mask)


# --- Measures -----------------------------------------------------------------------------------


def measures(seen: Seen) -> dict[str, float]:
    """Numbers of one picture; greys are parts of the level of vacuum."""
    grey = seen.grey.astype(np.float32)
    fine = grey - ndimage.gaussian_filter(grey, 1.5)
    white = _mean(grey, seen.regions["vacuum"])
    result = {"vacuum_grey": white}
    for name, mask in seen.regions.items():
        if mask.sum() > 200:
            level = _mean(grey, mask)
            result[f"{name}_level"] = level / white
            result[f"{name}_noise"] = float(fine[mask].std()) / max(level, 1.0)
    if "cell_level" in result and "medium_level" in result:
        result["cell_contrast"] = result["cell_level"] / result["medium_level"] - 1
    shown = seen.on_lamella & ~seen.hidden
    if shown.sum() > 1000:
        result |= _gradient(grey, shown) | _blobs(grey, shown, seen.pixel_nm)
        result["curtaining"] = _curtaining(grey, shown, seen.pixel_nm)
    return result


def _mean(grey: np.ndarray, mask: np.ndarray) -> float:
    return float(grey[mask].mean()) if mask.any() else float("nan")


def _gradient(grey: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Change of a plane fitted to the lamella, from end to end, as a part of its mean."""
    rows, cols = np.nonzero(mask)
    values = grey[rows, cols]
    design = np.column_stack([np.ones(rows.size), rows, cols])
    fit = np.linalg.lstsq(design, values, rcond=None)[0]
    plane = design @ fit
    return {"gradient": float(np.ptp(np.percentile(plane, (2, 98))) / max(values.mean(), 1.0))}


def _blobs(grey: np.ndarray, mask: np.ndarray, pixel_nm: float) -> dict[str, float]:
    """Dark round things: how many in 100 µm², and their diameter."""
    px_um = pixel_nm / 1000
    weight = ndimage.gaussian_filter(mask.astype(np.float32), 1.0 / px_um)
    around = ndimage.gaussian_filter(grey * mask, 1.0 / px_um) / np.maximum(weight, 1e-3)
    dark = (ndimage.gaussian_filter(grey, 0.05 / px_um) < 0.7 * around) & mask
    numbered, count = ndimage.label(dark)
    area_um2 = np.bincount(numbered.ravel(), minlength=count + 1)[1:] * px_um**2
    diameter = 2 * np.sqrt(area_um2 / np.pi)
    diameter = diameter[(diameter > 0.15) & (diameter < 3.0)]
    per = 100 / (mask.sum() * px_um**2)
    return {
        "blobs_per_100_um2": float(diameter.size * per),
        "blob_um_median": float(np.median(diameter)) if diameter.size else 0.0,
    }


def _curtaining(grey: np.ndarray, mask: np.ndarray, pixel_nm: float) -> float:
    """Gradients across the stripes over those along them (structure tensor, ≥ 1)."""
    smooth = ndimage.gaussian_filter(grey, 100 / pixel_nm)
    inner = ndimage.binary_erosion(mask, iterations=max(1, round(300 / pixel_nm)))
    dy, dx = (np.clip(g[inner], -10, 10) for g in np.gradient(smooth))
    if dy.size == 0:
        return float("nan")
    low, high = np.linalg.eigvalsh(np.cov(dy, dx))
    return float(np.sqrt(high / max(low, 1e-9)))


def edge_profile(seen: Seen, to_um: float = 2.0) -> np.ndarray:
    """Grey over vacuum at 0..`to_um` µm from vacuum into the lamella, in steps of 0.1 µm."""
    distance = ndimage.distance_transform_edt(~seen.vacuum) * seen.pixel_nm / 1000
    shown = seen.on_lamella & ~seen.hidden & (distance < to_um)
    bins = (distance[shown] / 0.1).astype(int)
    n = round(to_um / 0.1)
    total = np.bincount(bins, seen.grey[shown].astype(float), n)
    count = np.bincount(bins, minlength=n)
    white = _mean(seen.grey, seen.vacuum)
    return np.where(count > 20, total / np.maximum(count, 1), np.nan)[:n] / white


# --- Crops and their features -------------------------------------------------------------------


def crops(seen: Seen) -> Iterator[np.ndarray]:
    """Crops of 3 µm that show mostly lamella and nothing drawn."""
    side = round(CROP_UM * 1000 / seen.pixel_nm)
    for row in range(0, seen.grey.shape[0] - side + 1, side // 2):
        for col in range(0, seen.grey.shape[1] - side + 1, side // 2):
            at = (slice(row, row + side), slice(col, col + side))
            if seen.on_lamella[at].mean() > 0.7 and seen.hidden[at].mean() < 0.03:
                yield np.where(seen.hidden[at], np.median(seen.grey[at]), seen.grey[at])


def features(crop: np.ndarray) -> dict[str, float]:
    """What a classifier is told of a crop; all but the grey level are free of the display."""
    x = crop.astype(np.float64)
    mean, sd = x.mean(), max(x.std(), 1e-3)
    z = (x - mean) / sd
    result = {
        "grey.mean": mean,
        "grey.relative_sd": np.log(sd / max(mean, 1.0)),
        "grey.skew": (z**3).mean(),
        "grey.kurtosis": np.log((z**4).mean()),
        "grey.clipped": float(np.isin(crop, (0, 255)).mean()),
    }
    for k, power in enumerate(radial_spectrum(z)):
        result[f"spectrum.{k}"] = np.log(power + 1e-9)
    steep = np.hypot(*np.gradient(ndimage.gaussian_filter(z, 1.0)))
    for k, share in enumerate(np.histogram(steep, (0, 0.1, 0.2, 0.4, 0.8, 9))[0][:-1]):
        result[f"gradient.{k}"] = share / steep.size
    local = ndimage.uniform_filter(z**2, 7) - ndimage.uniform_filter(z, 7) ** 2
    for percent in (5, 25, 50, 75, 95):
        result[f"local_variance.{percent}"] = np.log(max(np.percentile(local, percent), 1e-6))
    stripes = z.mean(axis=1).std(), z.mean(axis=0).std()
    result["stripes"] = abs(np.log((stripes[0] + 1e-3) / (stripes[1] + 1e-3)))
    return {name: float(value) for name, value in result.items()}


def radial_spectrum(z: np.ndarray, n: int = 8) -> np.ndarray:
    """Share of the variance in rings of spatial frequency, logarithmic up to Nyquist."""
    window = np.outer(np.hanning(z.shape[0]), np.hanning(z.shape[1]))
    power = np.abs(np.fft.fft2(z * window)) ** 2
    power[0, 0] = 0
    f = np.hypot(np.fft.fftfreq(z.shape[0])[:, None], np.fft.fftfreq(z.shape[1])[None])
    edges = np.geomspace(1.5 / max(z.shape), 0.5, n + 1)
    ring = np.digitize(f.ravel(), edges) - 1
    inside = (ring >= 0) & (ring < n)
    return np.bincount(ring[inside], power.ravel()[inside], n) / power.sum()


# --- Classifier ---------------------------------------------------------------------------------


def fit_logistic(x: np.ndarray, y: np.ndarray, ridge: float = 0.03) -> np.ndarray:
    """Weights (the last one is the offset); both classes weigh the same in all."""
    weight = np.where(y > 0, 0.5 / max(y.sum(), 1), 0.5 / max((1 - y).sum(), 1))
    design = np.column_stack([x, np.ones(len(x))])
    sign = 2 * y - 1

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (design @ w)
        slope = -weight * sign / (1 + np.exp(np.clip(margin, -50, 50)))
        penalty = ridge * np.append(w[:-1], 0.0)
        value = (weight * np.logaddexp(0, -margin)).sum() + 0.5 * ridge * (w[:-1] ** 2).sum()
        return float(value), design.T @ slope + penalty

    return optimize.minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x


def told_apart(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """Mean of the shares of real and of simulated crops that are told right, held out."""
    right = np.zeros(len(y), bool)
    for k in np.unique(fold):
        train = fold != k
        middle, width = x[train].mean(axis=0), x[train].std(axis=0) + 1e-6
        w = fit_logistic((x[train] - middle) / width, y[train])
        score = np.clip((x[~train] - middle) / width, -5, 5) @ w[:-1] + w[-1]
        right[~train] = (score > 0) == (y[~train] > 0)
    return float((right[y > 0].mean() + right[y < 1].mean()) / 2)


def separation(a: np.ndarray, b: np.ndarray) -> float:
    """Probability that a value of `a` is above one of `b`: 0.5 where they are alike."""
    order = np.sort(b)
    below, upto = (np.searchsorted(order, a, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(b))


def compare(real_crops: list[list[dict]], simulated_crops: list[list[dict]]) -> dict[str, object]:
    """Let the classifier tell crops of real pictures from those of simulated maps.

    Parameters
    ----------
    real_crops, simulated_crops : features of the crops of each picture
        Simulated ones are of the pixel size of the real one with the same place in the list.
    """
    names = list(real_crops[0][0])
    groups = [(1, k, c) for k, c in enumerate(real_crops)]
    groups += [(0, k, c) for k, c in enumerate(simulated_crops)]
    x = np.array([[crop[name] for name in names] for _, _, c in groups for crop in c])
    y = np.array([kind for kind, _, c in groups for _ in c])
    fold = np.array([k for _, k, c in groups for _ in c])
    apart = {n: separation(x[y > 0, i], x[y < 1, i]) for i, n in enumerate(names)}
    kinds = sorted({name.split(".")[0] for name in names})
    by_kind = {
        kind: round(told_apart(x[:, [n.split(".")[0] == kind for n in names]], y, fold), 3)
        for kind in kinds
    }
    ranked = sorted(apart, key=lambda n: -abs(apart[n] - 0.5))[:10]
    return {
        "accuracy": round(told_apart(x, y, fold), 3),
        "crops": [int(y.sum()), int((1 - y).sum())],
        "accuracy_by_kind": by_kind,
        "real_above_simulated": {n: round(apart[n], 3) for n in ranked},
        "medians": {
            n: [round(float(np.median(x[y == k, names.index(n)])), 3) for k in (1, 0)]
            for n in ranked
        },
    }


# --- Figures ------------------------------------------------------------------------------------


def draw(path: Path, rows: dict[str, list[Seen]]) -> None:
    """Draw a picture, grey histogram, spectrum and edge profile for each kind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(18, 9), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    top = figure.add_subfigure(figure.add_gridspec(2, 1, height_ratios=(1.2, 1))[0])
    low = figure.add_subfigure(figure.add_gridspec(2, 1, height_ratios=(1.2, 1))[1])
    shown = [(name, seen) for name, many in rows.items() for seen in many[:2]]
    for axes, (name, seen) in zip(top.subplots(1, len(shown), squeeze=False)[0], shown):
        axes.imshow(seen.grey, cmap="gray", vmin=0, vmax=255)
        axes.set_title(name)
        axes.set_axis_off()
    histogram, spectrum, edge = low.subplots(1, 3)
    for name, many in rows.items():
        values = np.concatenate([s.grey[s.on_lamella & ~s.hidden] for s in many])
        histogram.plot(np.bincount(values, minlength=256) / values.size, label=name)
        spectra = [
            radial_spectrum((c - c.mean()) / (c.std() + 1e-3)) for s in many for c in crops(s)
        ]
        if spectra:
            spectrum.semilogy(np.mean(spectra, axis=0), label=name)
        profile = np.nanmean([edge_profile(s) for s in many], axis=0)
        edge.plot(np.arange(profile.size) * 0.1, profile, label=name)
    for axes, title in (
        (histogram, "grey on the lamella"),
        (spectrum, "variance by ring of frequency"),
        (edge, "grey / vacuum by µm from vacuum"),
    ):
        axes.set_title(title)
        axes.legend()
    canvas.print_png(path)


def main() -> None:
    """Command line."""
    command_line = parser(__doc__.splitlines()[0], n=6)
    command_line.add_argument("--pictures", type=Path, required=True, help="folder of real ones")
    command_line.add_argument("--out", type=Path, help="folder for figures")
    args = command_line.parse_args()
    names = [name for name in OUTLINED if (args.pictures / name).is_file()]
    if len(names) < 2:
        command_line.error(f"{args.pictures} needs two of {', '.join(OUTLINED)}")
    pictures = [real(args.pictures / name, OUTLINED[name]) for name in names]
    result: dict[str, object] = {f"picture.{n}": measures(s) for n, s in zip(names, pictures)}
    real_crops = [[features(c) for c in crops(s)] for s in pictures]
    maps: dict[str, list[list[Seen]]] = {look: [] for look in LOOKS}
    for look in LOOKS:
        for k, seen in enumerate(pictures):
            first = args.seed_start + k * args.n
            seeds = range(first, first + args.n)
            maps[look].append([simulated(seed, seen.pixel_nm, look) for seed in seeds])
        all_maps = [seen for many in maps[look] for seen in many]
        result[f"simulated.{look}"] = _middle([measures(seen) for seen in all_maps])
        simulated_crops = [[features(c) for s in many for c in crops(s)] for many in maps[look]]
        result[f"told_apart.{look}"] = compare(real_crops, simulated_crops)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        for k, name in enumerate(names):
            drawn = {"a real picture": [pictures[k]]} | {look: maps[look][k] for look in LOOKS}
            draw(args.out / f"realism_{Path(name).stem}.png", drawn)
    report(result, args.json)


def _middle(many: list[dict[str, float]]) -> dict[str, list[float]]:
    """Percentiles 10, 50 and 90 over the maps."""
    names = list(dict.fromkeys(name for one in many for name in one))
    return {
        name: np.nanpercentile([one.get(name, np.nan) for one in many], (10, 50, 90))
        .round(3)
        .tolist()
        for name in names
    }


if __name__ == "__main__":
    main()
