"""Made-up runs of any number for tests, screenshots and measurements. Not part of the image."""
