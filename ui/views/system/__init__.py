"""The page of the machine, the job engine and the settings."""
