"""The page that starts runs."""
