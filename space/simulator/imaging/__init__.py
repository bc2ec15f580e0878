"""From the specimen to a picture: electrons, contrast transfer, dose, damage, camera, buffers."""
