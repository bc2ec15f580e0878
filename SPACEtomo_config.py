"""What changes with the models. Relative paths start in this folder.

This file is read, not run: write plain numbers, strings in quotes, lists and tables.
"""

# --- Lamella detection (whole-grid map) -------------------------------------------------------

# YOLO weights. To use published SPACEtomo weights, put the .pt file into models/ and name it here.
detection_weights = "models/lamella_detector/weights.pt"
# Pixel size (nm) and window (pixels) that the weights were trained at.
detection_pixel_nm = 400
detection_window_px = 1024

# Categories that settings may name: colour in plots, colour in the Navigator (0 red, 1 green,
# 2 blue, 3 yellow, 4 magenta, 5 black). Which of them there are, and how the weights number them,
# is read from the weights; one that is not in this table is grey in plots and red in the Navigator.
categories = {
    "broken": ("#EC7014", 0),
    "contaminated": ("#FFEE2E", 3),
    "good": ("#96D682", 1),
    "thick": ("#3B4680", 2),
    "wedge": ("#74A4F0", 4),
    "gone": ("#8C1218", 5),
}

# --- Segmentation (lamella maps) --------------------------------------------------------------

# nnU-Net v2 folder: dataset.json, plans.json, fold_0/checkpoint_final.pth, ...
# To use the published SPACEtomo model, put its folder into models/, name it here and set
#     segmentation_folds = [0, 1, 2, 3, 4]
#     segmentation_pixel_nm = 2.283
segmentation_model = "models/lamella_segmentation"
# Folds whose predictions are averaged: numbers, or ["all"] for the one trained on everything.
segmentation_folds = [0]
# The file of weights in each fold, where it is not checkpoint_final.pth:
#     segmentation_checkpoint = "checkpoint_best.pth"
# Pixel size (nm) that the model was trained at; lamella maps are saved at this pixel size.
segmentation_pixel_nm = 12
# Classes that are vacuum or bulk: what is left of a map is the lamella (see docs/targeting.md). A
# model with other names needs its own here, e.g. ["background", "hole", "metal"].
off_lamella_classes = ["background", "white", "black"]
# Correct a segmentation by what is known: specks, organelles outside of cells, lamella inside a
# closed wall or in bulk, and background where there is a picture (see docs/targeting.md).
tidy_segmentation = True

# "accurate" (as nnU-Net itself predicts), "balanced" or "fast": see docs/models.md for the cost.
inference_preset = "balanced"

# --- Learned targets (lamella maps) -----------------------------------------------------------

# Heat map that was trained from clicks, for target_list = ["learned"] (see docs/clicks.md); "" for
# none, e.g. "models/my_clicks/model.onnx".
learned_targets_model = ""

# --- Computers --------------------------------------------------------------------------------

# What runs the networks: "onnx" (ONNX Runtime), "torch", or "auto" for what fits the computer.
inference_runtime = "auto"
# Segmentations that run on one GPU at the same time.
runs_per_gpu = 1
