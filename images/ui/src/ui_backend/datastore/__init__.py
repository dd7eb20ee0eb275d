"""What flows have left in their datastore: logs, cards and artifacts. Read in parts, never executed."""
