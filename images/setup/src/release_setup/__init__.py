"""What a release needs done once beside it: its Secrets, its bucket, and the key that opens only that bucket.

Runs as two Jobs of the chart. Both may run any number of times: what is there already stays as it is.
"""
