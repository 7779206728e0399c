"""Score of the local turn detector on recordings with known turns."""
