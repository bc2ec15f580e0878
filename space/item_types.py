"""Types of Navigator items, as SerialEM numbers them in its table and files."""

POINT, POLYGON, MAP = 0, 1, 2
