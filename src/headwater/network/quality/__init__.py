"""Quality control of soil sensors, which knows frost and thaw."""
