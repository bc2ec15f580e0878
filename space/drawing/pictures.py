"""Drawing what was requested."""

from __future__ import annotations

from space import plots
from space.drawing.requests import SHOWS, GridPicture, Request, SegmentationPicture
from space.images import read_png
from space.targeting import KnownMap, wanted_mask, with_learned, with_signals_of_map


def draw(request: Request) -> None:
    """Draw a picture, whole or not at all.

    Raises
    ------
    Exception
        Whatever reading its files and drawing may raise.
    """
    picture, info = read_png(request.picture)
    path, title = request.path, request.title
    if isinstance(request, GridPicture):
        about = {SHOWS: request.mark} if request.mark else {}
        shown, colors = request.shown, request.colors
        plots.plot_detection(path, picture, shown, colors, info["pixel_nm"], title, **about)
        return
    labels, _ = read_png(request.labels)
    names = dict(request.names)
    if isinstance(request, SegmentationPicture):
        about = {SHOWS: request.mark}
        plots.plot_segmentation(path, picture, labels, names, info["pixel_nm"], title, **about)
        return
    if request.heat is not None:
        known, names = with_learned(
            KnownMap(labels), names, read_png(request.heat)[0], "", request.options
        )
        labels = known.labels
    known, names = with_signals_of_map(KnownMap(labels), names, request.picture, request.options)
    labels = known.labels
    wanted = wanted_mask(labels, names, request.options, request.polygons_map_px)
    plots.plot_targets(path, picture, wanted, request.areas, request.optics, title)
