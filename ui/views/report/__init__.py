"""The page that makes reports of finished runs."""
