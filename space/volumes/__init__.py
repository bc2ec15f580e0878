"""Volumes as things on disk: where their voxels are, MRC, OME-Zarr, TIFF, blocks and regions."""
