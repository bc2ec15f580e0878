"""SPACEtomo: from a milled cryo-EM grid to running tilt series without a person."""

__version__ = "0.1.0"
