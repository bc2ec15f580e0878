# %% [markdown]
# # From three labelled sections to surfaces
#
# A volume of 24 sections, of which three are labelled. It is made here, so that everybody can run this: bodies of two kinds in a
# noisy volume. With your own, begin with `open_volume("raw.mrc")`.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from space.organelles import sections
from space.surfaces import SurfaceOptions, draw, surfaces_of
from space.volumes import Frame, open_volume, read_volume, write_mrc

rng = np.random.default_rng(4)
shape, frame = (24, 160, 160), Frame((12.0, 8.0, 8.0))
truth = np.zeros(shape, np.uint8)
z, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]] * np.reshape(frame.voxel_nm, (3, 1, 1, 1))
for number in range(14):
    middle = rng.uniform((60, 150, 150), (230, 1130, 1130))
    radii = rng.uniform(70, 150, 3)
    inside = sum(((a - m) / r) ** 2 for a, m, r in zip((z, y, x), middle, radii)) < 1
    truth[inside & (truth == 0)] = 1 + number % 2

texture = ndimage.gaussian_filter(rng.normal(size=shape), (0, 1.5, 1.5)) * 80
stripes = 30 * np.sin((x + y) / 14)
raw = 120 + texture + np.where(truth == 1, 45, 0) + np.where(truth == 2, stripes - 20, 0)
raw = np.clip(raw + rng.normal(0, 18, shape), 0, 255).astype(np.uint8)

folder = Path(tempfile.mkdtemp())
labelled = (5, 12, 18)
few = np.zeros_like(truth)
few[list(labelled)] = truth[list(labelled)]
write_mrc(folder / "raw.mrc", raw, frame)
write_mrc(folder / "few.mrc", few, frame)
print(f"{shape} voxels of {frame.voxel_nm} nm; sections {labelled} are labelled")

figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
axes[0].imshow(raw[12], cmap="gray")
axes[1].imshow(truth[12], cmap="viridis", interpolation="nearest")
for one, title in zip(axes, ("section 12", "its labels")):
    one.set_title(title)
    one.axis("off")

# %% [markdown]
# ## Learning
#
# On the command line: `spacetomo sections train raw.mrc few.mrc --out run --labelled 5,12,18 --shrink 1 --class plain=1 --class striped=2
# --steps 20 --epochs 6`.

# %%
config = sections.SectionsConfig(
    raw=folder / "raw.mrc",
    labels=folder / "few.mrc",
    out=folder / "run",
    labelled=labelled,
    classes={"plain": 1, "striped": 2},
    shrink=1,
    steps=20,
    epochs=6,
    device="cpu",
)
sections.train_sections(config, lambda line: print(line.split(", ends")[0]))

# %% [markdown]
# ## Labelling all sections
#
# On the command line: `spacetomo sections predict run raw.mrc --out labels.zarr`.

# %%
sections.predict_sections(
    folder / "run", open_volume(folder / "raw.mrc"), folder / "labels.zarr", lambda line: None
)
found = read_volume(folder / "labels.zarr").data
others = [number for number in range(shape[0]) if number not in labelled]
for label, name in ((1, "plain"), (2, "striped")):
    mine, right = found[others] == label, truth[others] == label
    dice = 2 * (mine & right).sum() / (mine.sum() + right.sum())
    print(f"{name}: Dice {dice:.3f} in the {len(others)} other sections")

figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
axes[0].imshow(raw[8], cmap="gray")
axes[1].imshow(found[8], cmap="viridis", interpolation="nearest")
axes[2].imshow(truth[8], cmap="viridis", interpolation="nearest")
for one, title in zip(axes, ("section 8", "what is found", "what is there")):
    one.set_title(title)
    one.axis("off")

# %% [markdown]
# ## Surfaces
#
# On the command line: `spacetomo surfaces labels.zarr --out surfaces --label 1=plain --label 2=striped --smallest-nm3 2e5`.

# %%
options = SurfaceOptions(labels={1: "plain", 2: "striped"}, smallest_nm3=2e5)
made = list(surfaces_of(found, frame, options))
for one in made:
    print(
        f"{one.name}: {one.form.volume_nm3 / 1e6:.2f} million nm³, {one.form.area_nm2 / 1e3:.0f} "
        f"thousand nm², {one.thickness.median_nm:.0f} nm thick, closed: {one.form.watertight}"
    )

figure, axis = plt.subplots(figsize=(6, 6), layout="constrained")
axis.imshow(draw(made, 600))
axis.axis("off")
