"""Files as SerialEM writes them: MRC, mdoc, Navigator, autodoc."""
