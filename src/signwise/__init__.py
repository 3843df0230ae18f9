"""A folder of sign photos in, an image classifier you can trust out."""
