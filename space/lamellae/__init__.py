"""Whole-grid map to boxes to lamellae."""
