"""The page on which an optimizer is chosen, read about and downloaded."""
