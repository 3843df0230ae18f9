"""What a person asks once there is a model: is another better, and which settings are."""
