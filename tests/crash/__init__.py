"""The crash laboratory: processes die at every point, and nothing is lost or done twice."""
