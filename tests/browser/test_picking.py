"""The button that makes a map for picking by hand."""

from __future__ import annotations

from space.microscope import read_navigator_file
from tests.page.test_picking import ITEM


def test_a_map_for_picking_is_saved_from_the_page(folder, open_page):
    nav = folder.directory / "G1.nav"
    parts = nav.read_text(encoding="utf-8").split("\n\n")
    others = [part for part in parts if "Note = G1_L02.mrc" not in part]
    nav.write_text("\n\n".join(others).rstrip() + "\n\n" + ITEM, encoding="utf-8")
    page = open_page()
    page.go("#/lamella/G1/2", '[data-handle="1"]')
    page.tab.get_by_role("button", name="Save for picking").click()
    page.told("G1_L02_picking.nav")
    (item,) = read_navigator_file(folder.directory / "G1_L02_picking.nav")
    assert item.values["MapFile"] == "G1_L02_picking.mrc" and item.values["Regis"] == "2"
    assert (folder.directory / "G1_L02_picking.mrc").stat().st_size > 700 * 500
