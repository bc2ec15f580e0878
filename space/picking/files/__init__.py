"""Files of tomograms and particles in the forms of other programs, in and out."""

from space.picking.files.axes import ORDERS, in_file_order, order_axes, points_zyx
from space.picking.files.lists import Listed, read_list
from space.picking.files.reading import read_coordinates
from space.picking.files.tomogram import Tomogram, open_tomogram
from space.picking.files.writing import KINDS, write_model, write_picks

__all__ = [
    "KINDS",
    "ORDERS",
    "Listed",
    "Tomogram",
    "in_file_order",
    "open_tomogram",
    "order_axes",
    "points_zyx",
    "read_coordinates",
    "read_list",
    "write_model",
    "write_picks",
]
