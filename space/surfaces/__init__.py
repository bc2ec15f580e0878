"""Surfaces of what is labelled in a volume: meshes, their volumes, areas and thicknesses."""
